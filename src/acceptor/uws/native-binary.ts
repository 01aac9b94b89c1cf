/**
 * Loads uWebSockets.js, or says in one sentence why it cannot and what to do.
 *
 * Thread: acceptor. The binary reads its head size limit from the environment when it is loaded,
 * so that must be set before. `GATEWAY_UWS_PATH` names another release of uWebSockets.js.
 */

import type * as Uws from 'uWebSockets.js';
import { createRequire } from 'node:module';
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
const PARSER_HEAD_BYTES = 32 * 1024;

/** The key under which the library stops naming itself in every reply. */
const SILENT = 'silent';

/** @throws NativeBinaryError */
export function loadNativeBinary(): UwsModule {
  process.env['UWS_HTTP_MAX_HEADERS_SIZE'] = String(PARSER_HEAD_BYTES);
  const path = process.env['GATEWAY_UWS_PATH'] || 'uWebSockets.js';
  try {
    const uws = createRequire(import.meta.url)(path) as UwsModule & {
      _cfg?: (key: string) => void;
    };
    uws._cfg?.(SILENT);
    return uws;
  } catch (error) {
    throw new NativeBinaryError(
      `cannot load the uWebSockets.js binary for Node ${process.versions.node} on ` +
        `${process.platform}-${process.arch} (${reasonOf(error)}); use Node 20 on glibc >= 2.27, ` +
        `Node 22 or 24 on glibc >= 2.38, or point GATEWAY_UWS_PATH at a release that fits`,
    );
  }
}

/** The last line: the library puts general advice before it, Node a list of files behind it. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const [told = ''] = text.split('\nRequire stack:');
  return told.trim().split('\n').at(-1) ?? '';
}
