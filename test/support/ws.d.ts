/** As much of the package ws as tests use; it brings no types. */
declare module 'ws' {
  import type { EventEmitter } from 'node:events';
  import type { IncomingMessage, Server } from 'node:http';
  import type { Socket } from 'node:net';

  export interface ClientOptions {
    readonly headers?: Readonly<Record<string, string>>;
    readonly perMessageDeflate?: boolean;
    readonly rejectUnauthorized?: boolean;
    readonly origin?: string;
  }

  export class WebSocket extends EventEmitter {
    constructor(url: string, protocols?: string | readonly string[], options?: ClientOptions);
    readonly readyState: number;
    readonly protocol: string;
    readonly extensions: string;
    send(data: string | Uint8Array, options?: { readonly binary?: boolean }): void;
    ping(data?: string): void;
    close(code?: number, reason?: string): void;
    terminate(): void;
    pause(): void;
    resume(): void;
    readonly _socket: Socket;
  }

  export interface ServerOptions {
    readonly port?: number;
    readonly host?: string;
    readonly server?: Server;
    readonly perMessageDeflate?: boolean;
    readonly maxPayload?: number;
    readonly handleProtocols?: (offered: Set<string>) => string | false;
  }

  export class WebSocketServer extends EventEmitter {
    constructor(options: ServerOptions);
    readonly clients: Set<WebSocket>;
    address(): { readonly port: number };
    close(): void;
    on(event: 'connection', hear: (socket: WebSocket, request: IncomingMessage) => void): this;
    on(event: string, hear: (...facts: never[]) => void): this;
  }
}
