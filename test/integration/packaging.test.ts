/** The gateway as it is installed: as a package, from a checkout for production, and as an image. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { assembleRoot, imageSettings, runInRoot } from '../support/image-root.js';
import { describeUnless } from '../support/not-run.js';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const NPM_ENV = { ...process.env, npm_config_update_notifier: 'false', NODE_ENV: '' };
const QUIET = ['--no-audit', '--no-fund', '--prefer-offline'];

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-packaging-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What npm prints, of both streams. */
function npm(cwd: string, ...words: string[]): string {
  return execFileSync('sh', ['-c', 'exec npm "$@" 2>&1', 'npm', ...words], {
    cwd,
    encoding: 'utf8',
    env: NPM_ENV,
  });
}

function freshFolder(name: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  return path;
}

describe('the package', () => {
  it('installs without a warning, and runs', () => {
    const app = freshFolder('app');
    const tarball = npm(PROJECT, 'pack', '--ignore-scripts', '--pack-destination', app);
    npm(app, 'init', '--yes');
    const printed = npm(app, 'install', `./${tarball.trim().split('\n').at(-1)}`, ...QUIET);
    expect(printed).not.toMatch(/warn|deprecated/i);
    const version = execFileSync(join(app, 'node_modules/.bin/sluice'), ['--version']);
    const { version: own } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8'));
    expect(String(version)).toContain(own);
  });
});

describe('a checkout for production', () => {
  it.each([
    [
      'with only what names the packages, as a layer of an image',
      ['package.json', 'package-lock.json'],
    ],
    ['with the whole source', ['package.json', 'package-lock.json', 'tsconfig.json', 'src']],
  ])('installs %s', (title, names) => {
    const checkout = freshFolder(title.replaceAll(/\W/g, '-'));
    for (const name of names)
      cpSync(join(PROJECT, name), join(checkout, name), { recursive: true });
    npm(checkout, 'ci', '--omit=dev', ...QUIET);
    expect(existsSync(join(checkout, 'node_modules/undici'))).toBe(true);
    expect(existsSync(join(checkout, 'node_modules/typescript'))).toBe(false);
  });
});

describe('a checkout without optional packages', () => {
  it('makes a tree that serves', async () => {
    const checkout = freshFolder('bare');
    for (const name of ['package.json', 'package-lock.json', 'LICENSE', 'dist/src'])
      cpSync(join(PROJECT, name), join(checkout, name), { recursive: true });
    npm(checkout, 'ci', '--omit=dev', '--omit=optional', '--ignore-scripts', ...QUIET);
    expect(existsSync(join(checkout, 'node_modules/uWebSockets.js'))).toBe(false);
    const tree = join(folder, 'bare-tree');
    execFileSync(process.execPath, [join(checkout, 'dist/src/build/production-tree.js'), tree]);
    const file = join(folder, 'bare.yaml');
    writeFileSync(file, CONFIG);
    const words = [join(tree, 'dist/src/main.js'), 'run', '-c', file];
    const env = { ...process.env, GATEWAY_ADMIN_PORT: '0' };
    const gateway = spawn(process.execPath, words, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let printed = '';
    gateway.stdout.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
    });
    try {
      await eventually('it listens', () => {
        if (gateway.exitCode !== null) throw new Error(printed);
        return startRecord(printed) !== undefined;
      });
      const reply = await fetch(`http://127.0.0.1:${startRecord(printed)?.port}/hello`);
      expect(await reply.text()).toBe('hello');
      expect(printed).toContain('"engine":"wire"');
    } finally {
      const closed = once(gateway, 'close');
      gateway.kill('SIGTERM');
      expect(await closed).toEqual([0, null]);
    }
  });
});

const CONFIG = `
listen: { port: 0 }
upstreams: { none: { targets: [{ url: "http://127.0.0.1:9" }] } }
routes: [{ name: hello, match: { path: /hello }, respond: { body: hello } }]
`;

interface StartRecord {
  readonly port: number;
  readonly admin: { readonly port: number };
}

/** The line of the log that says where the gateway listens. */
function startRecord(printed: string): StartRecord | undefined {
  const line = printed.split('\n').find((text) => text.includes('"admin":{'));
  return line === undefined ? undefined : JSON.parse(line);
}

/** Mounting a root needs root; a stranger's machine may not give it. */
const MAY_MOUNT = process.platform === 'linux' && process.getuid?.() === 0;
const LACKS_ROOT = MAY_MOUNT ? '' : 'only root may mount the root file system of the image';

describeUnless(LACKS_ROOT, 'the image', () => {
  it('runs as user 1000 on a read-only root, is healthy, small, and stops in order', async () => {
    const root = freshFolder('root');
    assembleRoot(root, CONFIG);
    const bytes = Number(
      execFileSync('du', ['-sb', join(root, 'app')], { encoding: 'utf8' }).split('\t')[0],
    );
    expect(bytes).toBeLessThan(40 * 2 ** 20);
    expect(existsSync(join(root, 'app/node_modules/uWebSockets.js'))).toBe(false);
    const settings = imageSettings();
    const image = { ...settings, env: { ...settings.env, GATEWAY_ADMIN_PORT: '0' } };
    const gateway = runInRoot(root, image, [...image.entrypoint, ...image.command]);
    let printed = '';
    for (const stream of [gateway.stdout, gateway.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        printed += text;
      });
    }
    try {
      await eventually('the image listens', () => {
        if (gateway.exitCode !== null) throw new Error(printed);
        return startRecord(printed) !== undefined;
      });
      const started = startRecord(printed) ?? { port: 0, admin: { port: 0 } };
      const reply = await fetch(`http://127.0.0.1:${started.port}/hello`);
      expect(await reply.text()).toBe('hello');
      const [uid] =
        /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8'))?.slice(1) ?? [];
      expect(uid).toBe('1000');
      const env = { ...image.env, GATEWAY_ADMIN_PORT: String(started.admin.port) };
      const check = runInRoot(root, { ...image, env }, image.healthCheck);
      expect(await once(check, 'close')).toEqual([0, null]);
      const wrong = { ...image, env: { ...env, GATEWAY_ADMIN_PORT: '1' } };
      expect(await once(runInRoot(root, wrong, image.healthCheck), 'close')).toEqual([1, null]);
    } finally {
      const closed = once(gateway, 'close');
      gateway.kill('SIGTERM');
      expect(await closed).toEqual([0, null]);
    }
  });
});
