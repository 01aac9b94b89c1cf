/**
 * The socket of a lean connection, plain or with TLS.
 *
 * Thread: worker. Reads into the memory of its connection. A write that fails does not end it: a
 * target that answers an upload early and closes resets the connection, and its reply, which has
 * come before that, can still be read. What is to be read decides what became of the connection.
 */
import { connect, Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { TargetTls } from './target-tls.js';

const TCP_KEEP_ALIVE_MS = 60_000;

/** Where a target listens, and how it is spoken with. */
export interface TargetAddress {
  /** Largest head of a reply. */
  readonly replyHeadBytes: number;
  readonly host: string;
  readonly port: number;
  /** null: without TLS. */
  readonly tls: TargetTls | null;
}

/** Hears of the socket. Calls may come after it was destroyed. */
export interface TargetSocketListener {
  /** Asked before the first read, and after each one. */
  nextBuffer(): Buffer;
  /** False: nothing more until the socket is resumed. */
  onBytes(bytes: number): boolean;
  /** The target takes connections; with TLS the handshake begins. */
  onTcpConnected(): void;
  /** The connection can be used. */
  onConnected(): void;
  /** The target sends nothing more. */
  onEnd(): void;
  /** Nothing that is written arrives any more. */
  onWriteFailed(): void;
  onSocketError(error: Error): void;
  onClosed(): void;
  nowMs(): number;
}

/** Connects. Events come to the listener, none of them inside the call. */
export function openTargetSocket(address: TargetAddress, listener: TargetSocketListener): Socket {
  const { host, port, tls } = address;
  const onread = {
    buffer: () => listener.nextBuffer(),
    callback: (bytes: number) => listener.onBytes(bytes),
  };
  const lack = tls?.lack ?? null;
  if (lack !== null) return failedSocket(lack, listener);
  // A variable, since the types of node:tls do not know `onread`.
  const options = { ...tls?.resumingOptions(listener.nowMs()), host, port, onread };
  const socket = tls === null ? connect(options) : connectTls(options);
  socket.setNoDelay(true);
  socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS);
  new FailingWrites(socket, listener).attach();
  socket.on('connect', () => listener.onTcpConnected());
  if (tls === null) socket.on('connect', () => listener.onConnected());
  else listenToTls(socket as TLSSocket, tls, listener);
  socket.on('end', () => listener.onEnd());
  socket.on('error', (error) => listener.onSocketError(error));
  socket.on('close', () => listener.onClosed());
  return socket;
}

/** One that does not come about. */
function failedSocket(reason: Error, listener: TargetSocketListener): Socket {
  const socket = new Socket();
  socket.on('error', (error) => listener.onSocketError(error));
  socket.on('close', () => listener.onClosed());
  return socket.destroy(reason);
}

function listenToTls(socket: TLSSocket, tls: TargetTls, listener: TargetSocketListener): void {
  socket.on('secureConnect', () => {
    const wrong = tls.onSecure(socket, listener.nowMs());
    if (wrong === null) listener.onConnected();
    else listener.onSocketError(wrong);
  });
  socket.on('session', (session) => {
    if (!socket.destroyed) tls.onSession(session);
  });
}

type Written = (error?: Error | null) => void;

/** Stands between a socket's stream and its writes: of an error the stream does not hear. */
class FailingWrites {
  private hasFailed = false;
  /** A stream makes one write at a time. */
  private written: Written | null = null;
  private readonly onWritten: Written = (error) => {
    const { written } = this;
    this.written = null;
    const isLoss =
      error && 'code' in error && (error.code === 'EPIPE' || error.code === 'ECONNRESET');
    if (!isLoss) {
      written?.(error);
      return;
    }
    this.hasFailed = true;
    this.listener.onWriteFailed();
    written?.();
  };

  constructor(
    private readonly socket: Socket,
    private readonly listener: TargetSocketListener,
  ) {}

  attach(): void {
    const { socket } = this;
    const write = socket._write;
    const writeMany = socket._writev;
    socket._write = (chunk, encoding, written) => {
      if (this.begin(written)) write.call(socket, chunk, encoding, this.onWritten);
    };
    if (writeMany === undefined) return;
    socket._writev = (chunks, written) => {
      if (this.begin(written)) writeMany.call(socket, chunks, this.onWritten);
    };
  }

  private begin(written: Written): boolean {
    if (this.hasFailed) {
      process.nextTick(written);
      return false;
    }
    this.written = written;
    return true;
  }
}
