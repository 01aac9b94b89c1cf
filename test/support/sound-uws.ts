/**
 * As much of uWebSockets.js as the check of its parser asks, over Node's own HTTP server: a library
 * whose parser is sound.
 */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { UwsModule } from '../../src/acceptor/uws/native-binary.js';
import { type Clock, systemClock } from '../../src/base/clock.js';

/** The clock of the machine, whose long waits are longer: a busy machine is no flaw of a library. */
export const patientClock: Clock = {
  ...systemClock,
  after: (ms, step) => systemClock.after(ms < 100 ? ms : ms * 40, step),
};

/** How a flawed library behaves. */
export interface Flaws {
  /** Reads on while it is paused. */
  readonly ignoresPause?: boolean;
  /** Answers HTTP/1.0 with 505. To all the others it answers nothing. */
  readonly refusesOldVersions?: boolean;
  /** Never answers. */
  readonly isSilent?: boolean;
}

type Handler = (res: unknown) => void;

export function soundUws(flaws: Flaws = {}): UwsModule {
  const { ignoresPause = false, refusesOldVersions = false, isSilent = false } = flaws;
  const App = () => {
    const handlers = new Map<string, Handler>();
    const server = createServer((req, res) => {
      if (refusesOldVersions) {
        if (req.httpVersion === '1.0') res.writeHead(505).end();
        return;
      }
      if (!isSilent) handlers.get(req.method ?? '')?.(responseOf(req, res, ignoresPause));
    });
    return {
      get: (_path: string, handler: Handler) => void handlers.set('GET', handler),
      post: (_path: string, handler: Handler) => void handlers.set('POST', handler),
      listen: (host: string, port: number, _options: number, cb: (socket: unknown) => void) => {
        server.listen(port, host, () => cb(server.address()));
      },
      close: () => {
        server.close();
        server.closeAllConnections();
      },
    };
  };
  const library: unknown = {
    App,
    LIBUS_LISTEN_EXCLUSIVE_PORT: 1,
    us_socket_local_port: ({ port }: AddressInfo) => port,
  };
  return library as UwsModule;
}

function responseOf(req: IncomingMessage, res: ServerResponse, ignoresPause: boolean) {
  return {
    end: (text: string) => void res.end(text),
    onAborted: (handler: () => void) => void req.on('error', handler),
    onData: (handler: (piece: { byteLength: number }, isLast: boolean) => void) => {
      let held: Buffer | null = null;
      req.on('data', (piece: Buffer) => {
        if (held !== null) handler(held, false);
        held = piece;
      });
      req.on('end', () => handler(held ?? Buffer.alloc(0), true));
    },
    pause: () => {
      if (!ignoresPause) req.pause();
    },
    resume: () => void req.resume(),
  };
}
