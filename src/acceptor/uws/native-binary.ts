/**
 * Loads uWebSockets.js, or says in one sentence why it cannot and what to do.
 *
 * Thread: acceptor. The binary reads its head size limit from the environment when it is loaded,
 * so that must be set before. `GATEWAY_UWS_PATH` names another release of uWebSockets.js.
 */

import type * as Uws from 'uWebSockets.js';
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, resolve } from 'node:path';
import { StartupError } from '../../base/startup-error.js';

/** The library, with what its type file leaves out. */
export type UwsModule = Omit<typeof Uws, 'App'> & {
  readonly LIBUS_LISTEN_DEFAULT: number;
  readonly LIBUS_LISTEN_EXCLUSIVE_PORT: number;
  App(options?: Uws.AppOptions): UwsApp;
};

export interface UwsApp extends Uws.TemplatedApp {
  listen(host: string, port: number, cb: (socket: Uws.us_listen_socket) => void): Uws.TemplatedApp;
  listen(port: number, cb: (socket: Uws.us_listen_socket) => void): Uws.TemplatedApp;
  listen(
    port: number,
    options: Uws.ListenOptions,
    cb: (socket: Uws.us_listen_socket | false) => void,
  ): Uws.TemplatedApp;
  /** `options`: one of the constants above. */
  listen(
    host: string,
    port: number,
    options: number,
    cb: (socket: Uws.us_listen_socket | false) => void,
  ): Uws.TemplatedApp;
}

/** The binary is not there or does not load on this system. */
export class NativeBinaryError extends StartupError {
  override readonly name = 'NativeBinaryError';
}

/** Largest head that may come in several reads; the guard's own limit is at or below it. */
const PARSER_HEAD_BYTES = 64 * 1024;

const PACKAGE = 'uWebSockets.js';

/** The key under which the library stops naming itself in every reply. */
const SILENT = 'silent';

/** What the gateway calls; a module without one of these is not the library. */
const FUNCTIONS = ['App', 'us_listen_socket_close', 'us_socket_local_port'] as const;

/**
 * Loads the library. `path`: a file, relative to the working folder, or the name of a package;
 * empty: the package that is installed with the gateway.
 *
 * @throws NativeBinaryError when there is no binary for this system, or when the module is another.
 */
export function loadNativeBinary(path: string = process.env['GATEWAY_UWS_PATH'] ?? ''): UwsModule {
  process.env['UWS_HTTP_MAX_HEADERS_SIZE'] = String(PARSER_HEAD_BYTES);
  const uws = requireNative(path);
  const missing = FUNCTIONS.filter((name) => typeof uws?.[name] !== 'function');
  if (missing.length > 0) {
    const named = path === '' ? PACKAGE : `GATEWAY_UWS_PATH=${path}`;
    throw new NativeBinaryError(
      `${named} is not uWebSockets.js: it has no ${missing.join(', ')}; name the folder of a ` +
        'release of uWebSockets.js, or its file uws.js',
    );
  }
  uws._cfg?.(SILENT);
  return uws;
}

function requireNative(path: string): UwsModule & { _cfg?: (key: string) => void } {
  const load = createRequire(import.meta.url);
  try {
    const isFile = path !== '' && existsSync(resolve(path));
    return load(isFile ? resolve(path) : path || PACKAGE);
  } catch (error) {
    const { platform, arch, versions } = process;
    throw new NativeBinaryError(
      `cannot load the uWebSockets.js binary for Node ${versions.node} on ${platform}-${arch} ` +
        `(${reasonOf(error)}); ${path === '' ? systemsOf(load) : `GATEWAY_UWS_PATH is ${path}`}; ` +
        'Node 20 needs glibc >= 2.27, Node 22 and 24 need glibc >= 2.38 (Debian 13, Ubuntu ' +
        '24.04); GATEWAY_UWS_PATH can point at another release',
    );
  }
}

/** Versions of Node by the number that binaries carry. */
const NODE_BY_ABI: ReadonlyMap<string, number> = new Map([
  ['93', 16],
  ['108', 18],
  ['115', 20],
  ['127', 22],
  ['137', 24],
  ['141', 25],
]);

function systemsOf(load: NodeJS.Require): string {
  try {
    return describeBinaries(readdirSync(dirname(load.resolve(PACKAGE))));
  } catch {
    return `the package ${PACKAGE} is not installed`;
  }
}

/** Which systems the files of the package are for, in words. */
export function describeBinaries(files: readonly string[]): string {
  const systems = new Map<string, number[]>();
  for (const file of files) {
    const [, system, abi = ''] = /^uws_([a-z0-9]+_[a-z0-9]+)_(\d+)\.node$/.exec(file) ?? [];
    const version = NODE_BY_ABI.get(abi);
    if (system === undefined || version === undefined) continue;
    systems.set(system, [...(systems.get(system) ?? []), version]);
  }
  if (systems.size === 0) return `the package ${PACKAGE} has no binaries`;
  const listed = [...systems].map(([system, versions]) => {
    const sorted = versions.sort((a, b) => a - b).join(', ');
    return `${system.replace('_', '-')} (Node ${sorted})`;
  });
  return `there are binaries for ${listed.join('; ')}`;
}

/** The last line: the library puts general advice before it, Node a list of files behind it. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const [told = ''] = text.split('\nRequire stack:');
  return told.trim().split('\n').at(-1) ?? '';
}
