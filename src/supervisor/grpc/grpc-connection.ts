/**
 * A connection to a server of gRPC that the gateway itself calls: a store of configurations, an
 * agent that issues identities.
 *
 * Thread: supervisor (on the main thread). Owns a socket, TCP, TLS or Unix, and a timer. Over it
 * go calls with one reply (`call`) and calls with a stream of them (`open`). Nothing is connected
 * again here: whoever is told that the connection is lost decides where to go next.
 *
 * Invariants: each call ends once, with its reply or with a GrpcError. A server that does not
 * answer PING in time has lost the connection, however alive its socket looks. No reply is longer
 * than `messageBytesMax`.
 */
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import type { Clock, Timer } from '../../base/clock.js';
import { GRPC_DEADLINE_EXCEEDED, GRPC_INTERNAL, GRPC_UNAVAILABLE } from '../../base/grpc-status.js';
import { ClientConnection } from '../../wire/http2/client-connection.js';
import type { ClientStream } from '../../wire/http2/client-stream.js';
import { GrpcCall, type GrpcListener } from './grpc-call.js';
import { GrpcError } from './grpc-error.js';

/** Where the server is. */
export type GrpcEndpoint =
  | {
      readonly host: string;
      readonly port: number;
      /** null: without TLS. */
      readonly tls: Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'servername'> | null;
    }
  | { readonly socketPath: string };

export interface GrpcOptions {
  readonly endpoint: GrpcEndpoint;
  readonly clock: Pick<Clock, 'nowMs' | 'after' | 'every'>;
  /** How long connecting may take, to the settings of the server. Default: 5 s. */
  readonly connectMs?: number;
  /** How often the server has to answer a PING. Default: 10 s, which servers of gRPC allow. */
  readonly pingMs?: number;
  /** How long it may take for that. Default: 5 s. */
  readonly pongMs?: number;
  /** Default: 4 MiB. */
  readonly messageBytesMax?: number;
}

export interface CallOptions {
  /** Names in lower case and values in turn, beside those of gRPC. */
  readonly metadata?: readonly string[];
  /** Default: 5 s. Not for streams. */
  readonly timeoutMs?: number;
}

/** A call that is under way. */
export interface GrpcStream {
  /** Sends one more message. */
  send(message: Uint8Array): void;
  /** No more messages follow from this side. */
  finish(): void;
  /** Ends the call; its listener hears nothing more. */
  cancel(): void;
}

const CONNECT_MS = 5000;
const PING_MS = 10_000;
const PONG_MS = 5000;
const CALL_MS = 5000;
const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;
const PING_PAYLOAD = Buffer.from('sluice  ');
const WINDOWS = { streamsMax: 100, streamWindowBytes: 1 << 20, windowBytes: 4 << 20 };
const HEAD_LIMITS = { bytesMax: 32 * 1024, fieldsMax: 256 };
const CANCEL = 8;

export class GrpcConnection {
  /** Why the connection is lost; '': it stands. */
  lostFor = '';
  private readonly http2: ClientConnection;
  private readonly calls = new Map<ClientStream, GrpcCall>();
  private readonly pinging: Timer;
  private pongTimer: Timer | null = null;
  private isOver = false;
  private lose: (reason: string) => void = () => {};
  /** Resolves with the reason when the connection is lost or closed. */
  readonly lost = new Promise<string>((resolve) => {
    this.lose = resolve;
  });

  private constructor(
    private readonly socket: Socket,
    private readonly options: GrpcOptions,
    onReady: () => void,
  ) {
    const { clock, pingMs = PING_MS } = options;
    this.http2 = new ClientConnection(
      { ...WINDOWS, limits: HEAD_LIMITS },
      {
        onHead: (stream, { status, fields }) => this.calls.get(stream)?.onHead(status, fields),
        onInterim: () => {},
        onData: (stream, bytes) => {
          this.calls.get(stream)?.onData(bytes);
          this.http2.credit(stream, bytes.length);
        },
        onEnd: (stream, trailers) => this.take(stream)?.onEnd(trailers),
        onReset: (stream, _code, reason) =>
          this.take(stream)?.fail(new GrpcError(GRPC_UNAVAILABLE, reason)),
        onMistake: () => {},
        onWindow: (stream) => this.calls.get(stream)?.sendMore(),
        onSettings: onReady,
        onGoAway: () => this.onGoAway(),
        onPong: () => this.onPong(),
        onClose: (_code, reason) => this.end(reason),
      },
      clock.nowMs(),
    );
    socket.on('data', (bytes) => {
      this.http2.receive(bytes, clock.nowMs());
      this.flush();
    });
    socket.on('error', (error) => this.end(reasonOf(error)));
    socket.on('close', () => this.end('the server has closed the connection'));
    this.pinging = clock.every(pingMs, () => this.ping());
    this.flush();
  }

  /** Resolves when the server takes calls. Rejects with a GrpcError. */
  static connect(options: GrpcOptions): Promise<GrpcConnection> {
    const { clock, connectMs = CONNECT_MS } = options;
    return new Promise((resolve, reject) => {
      const socket = socketTo(options.endpoint);
      const fail = (reason: string): void => {
        timer.cancel();
        socket.destroy();
        reject(new GrpcError(GRPC_UNAVAILABLE, reason));
      };
      const timer = clock.after(connectMs, () => fail(`no connection within ${connectMs} ms`));
      socket.once('error', (error) => fail(reasonOf(error)));
      const onReady = (): void => {
        timer.cancel();
        resolve(connection);
      };
      const connection = new GrpcConnection(socket, options, onReady);
      void connection.lost.then(fail);
    });
  }

  /** Calls a method with one request and one reply. Rejects with a GrpcError. */
  call(path: string, request: Uint8Array, options: CallOptions = {}): Promise<Buffer> {
    const { timeoutMs = CALL_MS } = options;
    return new Promise((resolve, reject) => {
      let reply: Buffer | null = null;
      const timer = this.options.clock.after(timeoutMs, () => {
        stream.cancel();
        reject(new GrpcError(GRPC_DEADLINE_EXCEEDED, `no reply within ${timeoutMs} ms`));
      });
      const onEnd = (error: GrpcError | null): void => {
        timer.cancel();
        if (error !== null) reject(error);
        else if (reply === null) reject(new GrpcError(GRPC_INTERNAL, 'a reply without a message'));
        else resolve(reply);
      };
      const onMessage = (message: Buffer): void => {
        reply = Buffer.from(message);
      };
      const stream = this.begin(path, { onMessage, onEnd }, options);
      stream.send(request);
      stream.finish();
    });
  }

  /**
   * Calls a method with a stream of replies. The listener hears of each message, valid inside the
   * call only, and of the end, once.
   */
  open(path: string, listener: GrpcListener, options: CallOptions = {}): GrpcStream {
    return this.begin(path, listener, options);
  }

  /** Ends all calls, and the connection. */
  close(): void {
    if (this.isOver) return;
    if (this.http2.streams.size === 0) this.http2.sayGoodbye();
    this.flush();
    this.end('the connection was closed');
  }

  private begin(path: string, listener: GrpcListener, { metadata = [] }: CallOptions): GrpcCall {
    const call = new GrpcCall(listener, {
      messageBytesMax: this.options.messageBytesMax ?? MESSAGE_BYTES_MAX,
      write: (stream, bytes, ends) => {
        const taken = this.http2.sendData(stream, bytes, ends);
        this.flush();
        return taken;
      },
      reset: (stream) => {
        this.calls.delete(stream);
        this.http2.reset(stream, CANCEL);
        this.flush();
      },
    });
    if (this.lostFor !== '' || !this.http2.canRequest) {
      const reason = this.lostFor || 'the server takes no more calls on this connection';
      queueMicrotask(() => call.fail(new GrpcError(GRPC_UNAVAILABLE, reason)));
      return call;
    }
    const start = { method: 'POST', scheme: this.scheme, authority: this.authority, path };
    const fields = ['content-type', 'application/grpc', 'user-agent', 'sluice', ...metadata];
    const stream = this.http2.request({ ...start, protocol: '' }, fields, false);
    this.calls.set(stream, call);
    call.begin(stream);
    this.flush();
    return call;
  }

  private get scheme(): 'http' | 'https' {
    const { endpoint } = this.options;
    return 'host' in endpoint && endpoint.tls !== null ? 'https' : 'http';
  }

  /** Of a Unix socket `localhost`: servers refuse its path. */
  private get authority(): string {
    const { endpoint } = this.options;
    if (!('host' in endpoint)) return 'localhost';
    const host = endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host;
    return `${host}:${endpoint.port}`;
  }

  private take(stream: ClientStream): GrpcCall | undefined {
    const call = this.calls.get(stream);
    this.calls.delete(stream);
    // A server may answer before it has read the request: the rest is not wanted then.
    if (call !== undefined && !stream.isLocalClosed) this.http2.reset(stream, CANCEL);
    return call;
  }

  private ping(): void {
    if (this.pongTimer !== null) return;
    const { clock, pongMs = PONG_MS } = this.options;
    this.pongTimer = clock.after(pongMs, () => this.end(`no answer to PING within ${pongMs} ms`));
    this.http2.ping(PING_PAYLOAD);
    this.flush();
  }

  private onPong(): void {
    this.pongTimer?.cancel();
    this.pongTimer = null;
  }

  /** Streams that are open may end; new ones need another connection. */
  private onGoAway(): void {
    if (this.calls.size === 0) this.end('the server has sent GOAWAY');
    else this.lostFor = 'the server has sent GOAWAY';
  }

  private flush(): void {
    const output = this.http2.takeOutput();
    if (output !== null && !this.socket.destroyed) this.socket.write(output);
  }

  private end(reason: string): void {
    if (this.isOver) return;
    this.isOver = true;
    this.pinging.cancel();
    this.pongTimer?.cancel();
    this.lostFor ||= reason;
    this.http2.lose(reason);
    for (const stream of [...this.calls.keys()]) {
      this.take(stream)?.fail(new GrpcError(GRPC_UNAVAILABLE, reason));
    }
    this.socket.destroy();
    this.lose(reason);
  }
}

function socketTo(endpoint: GrpcEndpoint): Socket {
  if ('socketPath' in endpoint) return connectTcp(endpoint.socketPath);
  const { host, port, tls } = endpoint;
  if (tls === null) return connectTcp({ host, port, noDelay: true });
  // An address is no name of a server (RFC 6066 3); the certificate is compared with it anyway.
  const servername = isIP(host) === 0 ? host : '';
  return connectTls({ servername, ...tls, host, port, ALPNProtocols: ['h2'] });
}

/** Of OpenSSL its reason, without the places in its code. */
function reasonOf(error: Error): string {
  return 'reason' in error && typeof error.reason === 'string' ? error.reason : error.message;
}
