/**
 * Puts together what runs the gateway, and nothing else:
 * `node production-tree.js FOLDER [--without-uws]`.
 *
 * Thread: any (pure), in a process of its own. Used by the Dockerfile, and by whoever copies the
 * gateway to a machine without npm. Needs `npm ci` and `npm run build` before it.
 *
 *     FOLDER/package.json, LICENSE, dist/src/, node_modules/
 *
 * Packages that only development needs stay out, and so do binaries for other systems: of the 300
 * MB that npm installs, 257 MB are those. `--without-uws` leaves the native library out as a whole,
 * for gateways that never have the engine `uws`; so does an install without optional packages.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** This file lies in dist/src/build/. */
const PROJECT = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
const BINARY = /^uws_.*\.node$/;
/** What Node loads on this system: see uws.js of the library. */
const OWN_BINARY = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`;
/** Beside code, packages bring what only people read. */
const READ_BY_PEOPLE = /\.(?:md|markdown|map|d\.[cm]?ts|ts|svg|c|cpp)$/;

const WITHOUT_UWS = '--without-uws';
const NATIVE_LIBRARY = 'node_modules/uWebSockets.js';

const words = process.argv.slice(2);
const [folder, ...others] = words.filter((word) => word !== WITHOUT_UWS);
if (folder === undefined || others.length > 0 || folder.startsWith('-')) {
  const usage = `usage: node dist/src/build/production-tree.js FOLDER [${WITHOUT_UWS}]`;
  process.stderr.write(`${usage}\n`);
  process.exitCode = 2;
} else if (existsSync(folder) && readdirSync(folder).length > 0) {
  process.stderr.write(`production-tree: ${folder} is not empty\n`);
  process.exitCode = 2;
} else {
  assemble(folder, words.includes(WITHOUT_UWS));
}

function assemble(into: string, isWithoutUws: boolean): void {
  mkdirSync(into, { recursive: true });
  for (const name of ['package.json', 'LICENSE']) cpSync(join(PROJECT, name), join(into, name));
  const code = join(PROJECT, 'dist/src');
  cpSync(code, join(into, 'dist/src'), {
    recursive: true,
    filter: (path) => relative(code, path) !== 'build' && !READ_BY_PEOPLE.test(path),
  });
  const packages = productionPackages();
  const taken = isWithoutUws ? packages.filter((path) => path !== NATIVE_LIBRARY) : packages;
  for (const path of taken) {
    const packageFolder = join(PROJECT, path);
    cpSync(packageFolder, join(into, path), {
      recursive: true,
      filter: (file) => isWanted(relative(packageFolder, file)),
    });
  }
  const uws = join(into, NATIVE_LIBRARY);
  if (!existsSync(uws)) return;
  for (const file of readdirSync(uws)) {
    if (BINARY.test(file) && file !== OWN_BINARY) rmSync(join(uws, file));
  }
}

function isWanted(path: string): boolean {
  // Packages inside of this one are in the list themselves.
  return !/(?:^|\/)node_modules(?:\/|$)/.test(path) && !READ_BY_PEOPLE.test(path);
}

/** Folders of the packages that run in production, relative to the project. */
function productionPackages(): string[] {
  const args = ['ls', '--omit=dev', '--all', '--parseable'];
  const listed = execFileSync('npm', args, { cwd: PROJECT, encoding: 'utf8' });
  return listed
    .split('\n')
    .map((path) => relative(PROJECT, path))
    .filter((path) => path.startsWith('node_modules/'));
}
