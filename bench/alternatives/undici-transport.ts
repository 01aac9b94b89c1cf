/**
 * Connections to targets on undici, as the gateway had them before its own could do all of it.
 *
 * Behind the same port as the lean connections: the contract of both (test/contract/) runs against
 * this too, so that what they do differently is known and wanted. An exchange over TLS takes 1.2 times the
 * processor time of a lean one, a plain one about twice (bench/micro/worker/upstream-transport).
 */
import { Readable } from 'node:stream';
import { Client, type Dispatcher } from 'undici';
import { assertNever } from '../../src/base/assert.js';
import { copyOfBytes } from '../../src/base/copy-bytes.js';
import { field, joinFields, NO_FIELDS } from '../../src/base/field-block.js';
import {
  classOf,
  FIELD_CODING,
  FIELD_CONNECTION,
  FIELD_DATE,
  FIELD_DROPPED,
  FIELD_KEEP_ALIVE,
  FIELD_KEPT,
  FIELD_LENGTH,
  FIELD_PROXY_CONNECTION,
  FIELD_UPGRADE,
  namesFields,
  type ReplyFieldBlock,
  withoutNamed,
} from '../../src/wire/http1/reply-fields.js';
import { StreamedBody } from '../../src/worker/exchange/streamed-body.js';
import { buildForwardedFields } from '../../src/worker/upstream/forwarded-fields.js';
import { TargetTls } from '../../src/worker/upstream/target-tls.js';
import type { ConnectTarget } from '../../src/worker/upstream/upstream-connections.js';
import type {
  TransportHandler,
  UpstreamConnection,
  UpstreamConnections,
  UpstreamRequest,
} from '../../src/worker/upstream/upstream-transport.js';

/** {@link ConnectTarget} by undici. */
export const undiciConnectionsTo: ConnectTarget = (target, upstream, { workload, onConnected }) => {
  const settings = upstream.tls[target.tlsPlace];
  return new UndiciPool({
    origin: target.origin,
    connectMs: upstream.timeouts.connectMs,
    tls:
      settings === undefined
        ? null
        : new TargetTls(settings, target.serverName, ['http/1.1'], workload),
    onConnected,
  });
};

/** How the connections to one target are made. */
interface UndiciOptions {
  readonly origin: string;
  readonly connectMs: number;
  /** null: without. */
  readonly tls: TargetTls | null;
  onConnected(): void;
}

class UndiciConnection implements UpstreamConnection {
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
      connect: { ...options.tls?.options, timeout: options.connectMs },
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
    // undici would otherwise take the Host field's.
    const servername = this.options.tls?.options.servername ?? null;
    const options = {
      path,
      method: exchange.head.method as Dispatcher.HttpMethod,
      headers,
      body: isStreamed ? readableOf(body) : body,
      // Without this, HEAD and bodies on DELETE or OPTIONS would cost the connection.
      reset: false,
      ...(servername === null ? {} : { servername }),
    };
    const heard = new RawHandler(handler);
    this.client.dispatch(options as Dispatcher.DispatchOptions, heard);
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

class UndiciPool implements UpstreamConnections {
  private readonly free: UndiciConnection[] = [];
  private isClosing = false;

  constructor(private readonly options: UndiciOptions) {}

  get idleCount(): number {
    return this.free.length;
  }

  acquire(): UndiciConnection {
    const connection = this.free.pop();
    if (connection === undefined) return this.acquireFresh();
    connection.isBusy = true;
    return connection;
  }

  acquireFresh(): UndiciConnection {
    const connection = new UndiciConnection(this.options, () => this.onDisconnected(connection));
    connection.isBusy = true;
    return connection;
  }

  /** One without a socket is given up: it may never be used again. */
  release(connection: UndiciConnection): void {
    connection.served++;
    connection.isBusy = false;
    if (connection.client.destroyed) return;
    if (connection.isOpen && !this.isClosing) this.free.push(connection);
    else void connection.client.destroy();
  }

  async close(): Promise<void> {
    this.isClosing = true;
    const idle = this.free.splice(0);
    await Promise.all(idle.map((connection) => connection.client.destroy()));
  }

  private onDisconnected(connection: UndiciConnection): void {
    if (connection.isBusy) return;
    const at = this.free.indexOf(connection);
    if (at === -1) return;
    this.free.splice(at, 1);
    void connection.client.destroy();
  }
}

const block: ReplyFieldBlock = { fields: NO_FIELDS, bodyBytes: -1, date: '' };

/** Reads undici's raw fields, names and values in turn. The result is valid until the next call. */
export function buildReplyFields(rawFields: readonly Buffer[]): ReplyFieldBlock {
  block.fields = NO_FIELDS;
  block.bodyBytes = -1;
  let connection = '';
  // Hot path, watched by bench/micro/worker/upstream-transport: once for every reply.
  for (let at = 0; at + 1 < rawFields.length; at += 2) {
    const rawName = rawFields[at];
    const rawValue = rawFields[at + 1];
    if (rawName === undefined || rawValue === undefined) continue;
    const name = rawName.toString('latin1');
    const value = rawValue.toString('latin1');
    const fieldClass = classOf(name, 0, name.length);
    switch (fieldClass) {
      case FIELD_KEPT:
        block.fields = joinFields(block.fields, field(name, value));
        break;
      case FIELD_LENGTH:
        block.bodyBytes = Number(value);
        break;
      case FIELD_CONNECTION:
        connection += `,${value}`;
        break;
      case FIELD_DATE:
      case FIELD_DROPPED:
      case FIELD_KEEP_ALIVE:
      case FIELD_PROXY_CONNECTION:
      case FIELD_CODING:
      case FIELD_UPGRADE:
        break;
      default:
        assertNever(fieldClass);
    }
  }
  if (namesFields(connection)) block.fields = withoutNamed(block.fields, connection);
  return block;
}

/** Turns the events of undici's legacy handler into those of ours. */
class RawHandler {
  /** Of the body; below 0: its length is not known. */
  private bytesLeft = -1;

  constructor(private readonly handler: TransportHandler) {}

  onConnect(abort: (reason?: Error) => void): void {
    this.handler.onConnect(abort);
  }

  onResponseStarted(): void {
    this.handler.onResponseStarted();
  }

  onHeaders(status: number, rawFields: Buffer[], resume: () => void): boolean {
    // Interim replies end here.
    if (status < 200) return true;
    const fields = buildReplyFields(rawFields);
    this.bytesLeft = fields.bodyBytes;
    this.handler.onReplyHead(status, fields, resume);
    return true;
  }

  onData(chunk: Buffer): boolean {
    // undici says only afterwards that the body has ended.
    this.bytesLeft -= chunk.length;
    return this.handler.onReplyData(chunk, this.bytesLeft === 0);
  }

  onComplete(): void {
    this.handler.onComplete(NO_FIELDS);
  }

  onError(error: Error): void {
    this.handler.onError(error);
  }
}
