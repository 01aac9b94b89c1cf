/**
 * One connection slot on undici: for TLS, and for requests whose body streams.
 *
 * Thread: worker. Owns a Client with at most one socket, which undici opens and closes as needed.
 */
import { Readable } from 'node:stream';
import { Client, type Dispatcher } from 'undici';
import { buildForwardedFields } from './forwarded-fields.js';
import type {
  TransportHandler,
  UpstreamConnection,
  UpstreamRequest,
} from './upstream-transport.js';

export interface UndiciOptions {
  readonly origin: string;
  readonly connectMs: number;
  /** Name for SNI, or null without TLS. undici would otherwise take the Host field's. */
  readonly servername: string | null;
  onConnected(): void;
  onDisconnected(connection: UndiciConnection): void;
}

export class UndiciConnection implements UpstreamConnection {
  served = 0;
  isBusy = false;
  /** There is a socket, and it is connected. */
  isOpen = false;
  readonly client: Client;

  constructor(private readonly options: UndiciOptions) {
    this.client = new Client(options.origin, {
      pipelining: 1,
      // The exchange has its own deadlines (deadline-wheel.ts); undici's tick is half a second.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: { timeout: options.connectMs },
    });
    this.client.on('connect', () => {
      this.isOpen = true;
      this.served = 0;
      options.onConnected();
    });
    this.client.on('disconnect', () => {
      this.isOpen = false;
      this.served = 0;
      options.onDisconnected(this);
    });
  }

  send(request: UpstreamRequest, handler: TransportHandler): void {
    const { exchange, path, authority, isPeerTrusted, body } = request;
    const headers = buildForwardedFields(exchange, isPeerTrusted, authority);
    if (body instanceof Readable && exchange.bodyBytes > 0) {
      headers.push('content-length', String(exchange.bodyBytes));
    }
    const { servername } = this.options;
    const options = {
      path,
      method: exchange.method as Dispatcher.HttpMethod,
      headers,
      body,
      // Without this, HEAD and bodies on DELETE or OPTIONS would cost the connection.
      reset: false,
      ...(servername === null ? {} : { servername }),
    };
    this.client.dispatch(options as Dispatcher.DispatchOptions, handler);
  }
}
