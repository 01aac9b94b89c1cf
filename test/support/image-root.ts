/**
 * The root file system of the image, as the Dockerfile makes it, from what this machine has: its
 * node with the libraries that this one loads, and the gateway's production tree. A command runs in
 * it as user 1000, with the whole of it read-only, in name spaces of its own.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { builtFile } from './built-file.js';

const DOCKERFILE = fileURLToPath(new URL('../../Dockerfile', import.meta.url));

/** Lines of the Dockerfile's last stage that say how the image runs. */
export interface ImageSettings {
  readonly user: string;
  readonly workdir: string;
  readonly env: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly healthCheck: readonly string[];
}

export function imageSettings(): ImageSettings {
  const text = readFileSync(DOCKERFILE, 'utf8').replace(/\\\n/g, ' ');
  const stage = text.slice(text.lastIndexOf('\nFROM '));
  const value = (word: string): string => new RegExp(`^${word} +(.*)$`, 'm').exec(stage)?.[1] ?? '';
  return {
    user: value('USER'),
    workdir: value('WORKDIR'),
    env: Object.fromEntries(
      value('ENV')
        .split(' ')
        .map((pair) => pair.split('=', 2)),
    ),
    entrypoint: JSON.parse(value('ENTRYPOINT')),
    command: JSON.parse(value('CMD')),
    healthCheck: JSON.parse(value('HEALTHCHECK').replace(/^.*?CMD /, '')),
  };
}

/** As the Dockerfile's first stage has them where nobody asks for others. */
function treeOptions(): string[] {
  const [, options = ''] = /^ARG TREE_OPTIONS=(.*)$/m.exec(readFileSync(DOCKERFILE, 'utf8')) ?? [];
  return options.split(' ').filter((option) => option !== '');
}

/** Puts the root together in an empty folder. */
export function assembleRoot(root: string, config: string): void {
  const tree = builtFile('src/build/production-tree.js');
  execFileSync(process.execPath, [tree, join(root, 'app'), ...treeOptions()]);
  for (const file of [process.execPath, ...librariesOf(process.execPath)]) {
    const place = join(root, file === process.execPath ? '/usr/bin/node' : file);
    mkdirSync(dirname(place), { recursive: true });
    cpSync(realpathSync(file), place);
  }
  for (const name of ['proc', 'dev', 'etc/sluice'])
    mkdirSync(join(root, name), { recursive: true });
  // What is mounted over it has to have a place.
  for (const name of ['dev/null', 'dev/urandom']) writeFileSync(join(root, name), '');
  writeFileSync(join(root, 'etc/sluice/sluice.yaml'), config);
}

function librariesOf(program: string): string[] {
  const listed = execFileSync('ldd', [program], { encoding: 'utf8' });
  return [...listed.matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path);
}

/** The command, with each word quoted for the shell. */
function quoted(words: readonly string[]): string {
  return words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
}

const MOUNTS = `
mount --bind "$ROOT" "$ROOT"
mount --rbind /proc "$ROOT/proc"
mount --bind /dev/null "$ROOT/dev/null"
mount --bind /dev/urandom "$ROOT/dev/urandom"
mount -o remount,ro,bind "$ROOT"
`;

/** Runs a command in the root as the image does. Needs to be root, for the mounts. */
export function runInRoot(
  root: string,
  { user, env }: ImageSettings,
  words: readonly string[],
): ChildProcess {
  const script = `set -e${MOUNTS}exec chroot --userspec=${user} "$ROOT" ${quoted(words)}`;
  return spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', script], {
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin:/usr/sbin', ROOT: root, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
