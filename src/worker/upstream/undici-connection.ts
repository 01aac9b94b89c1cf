/**
 * One connection slot on undici: for TLS.
 *
 * Thread: worker. Owns a Client with at most one socket, which undici opens and closes as needed.
 */
import { Readable } from 'node:stream';
import { Client, type Dispatcher } from 'undici';
import { copyOfBytes } from '../../base/copy-bytes.js';
import { StreamedBody } from '../exchange/streamed-body.js';
import { buildForwardedFields } from './forwarded-fields.js';
import type {
  TransportHandler,
  UpstreamConnection,
  UpstreamRequest,
} from './upstream-transport.js';

/** How the connections to one target are made. */
export interface UndiciOptions {
  readonly origin: string;
  readonly connectMs: number;
  /** Name for SNI, or null without TLS. undici would otherwise take the Host field's. */
  readonly servername: string | null;
  onConnected(): void;
}

export class UndiciConnection implements UpstreamConnection {
  served = 0;
  isBusy = false;
  /** There is a socket, and it is connected. */
  isOpen = false;
  readonly client: Client;

  constructor(
    private readonly options: UndiciOptions,
    onDisconnected: () => void,
  ) {
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
      onDisconnected();
    });
  }

  send(request: UpstreamRequest, handler: TransportHandler): void {
    const { exchange, path, body } = request;
    const headers = buildForwardedFields(request);
    const isStreamed = body instanceof StreamedBody;
    if (isStreamed && body.bytes > 0) headers.push('content-length', String(body.bytes));
    const { servername } = this.options;
    const options = {
      path,
      method: exchange.head.method as Dispatcher.HttpMethod,
      headers,
      body: isStreamed ? readableOf(body) : body,
      // Without this, HEAD and bodies on DELETE or OPTIONS would cost the connection.
      reset: false,
      ...(servername === null ? {} : { servername }),
    };
    this.client.dispatch(options as Dispatcher.DispatchOptions, handler);
  }
}

/** undici reads only when the connection stands. */
function readableOf(body: StreamedBody): Readable {
  let isBegun = false;
  let unread = 0;
  const stream = new Readable({
    read: () => {
      if (!isBegun) {
        isBegun = true;
        body.flowTo({
          onPiece: (bytes) => {
            unread += bytes.length;
            if (stream.push(copyOfBytes(bytes))) creditRead();
          },
          onBodyEnd: () => stream.push(null),
          onBodyDropped: () => stream.destroy(),
        });
      }
      creditRead();
    },
  });
  const creditRead = (): void => {
    const bytes = unread;
    unread = 0;
    body.onTaken(bytes);
  };
  // Its end comes through the try; an error without a listener would end the thread.
  stream.on('error', () => {});
  return stream;
}
