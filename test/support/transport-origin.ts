/** A real server of Node.js for each transport, with the same interface for tests. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  createServer as createHttp2Server,
  createSecureServer as createSecureHttp2Server,
} from 'node:http2';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo, Server, Socket } from 'node:net';
import { certificateFor, isHttp2, type TransportChoice } from './transport-rig.js';

export type Answer = (request: IncomingMessage, reply: ServerResponse) => void;

/** Over HTTP/2 requests and replies are those of the compatibility API, as far as they are alike. */
function serverFor(transport: TransportChoice, listener: Answer): Server {
  const certificate = certificateFor(transport);
  if (!isHttp2(transport)) {
    return certificate === null
      ? createServer(listener)
      : createSecureServer({ ...certificate }, listener);
  }
  const onRequest = (request: unknown, reply: unknown): void =>
    listener(request as IncomingMessage, reply as ServerResponse);
  return certificate === null
    ? createHttp2Server(onRequest)
    : createSecureHttp2Server({ ...certificate }, onRequest);
}

export class TransportOrigin {
  readonly sockets: Socket[] = [];
  port = 0;

  private constructor(private readonly server: Server) {
    server.on('connection', (socket: Socket) => this.sockets.push(socket));
  }

  static async start(transport: TransportChoice, listener: Answer): Promise<TransportOrigin> {
    const origin = new TransportOrigin(serverFor(transport, listener));
    await new Promise<void>((resolve) => origin.server.listen(0, '127.0.0.1', resolve));
    origin.port = (origin.server.address() as AddressInfo).port;
    return origin;
  }

  get isAllClosed(): boolean {
    return this.sockets.length > 0 && this.sockets.every(({ destroyed }) => destroyed);
  }

  breakOff(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.breakOff();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
