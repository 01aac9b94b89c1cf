/**
 * Unary calls of gRPC, as fast as that goes:
 * `node grpc-client.js PORT CONNECTIONS STREAMS SECONDS CALLS`.
 *
 * Each connection has a number of calls at once, and begins the next one when one has ended. By
 * the codec of the gateway: h2load would tell the length of each request, which clients of gRPC do
 * not, and would not look at the status behind a reply. With CALLS above 0 it ends after as many.
 */
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { firstValueOf } from '../../src/base/field-block.js';
import { frameMessage } from '../../src/wire/grpc/message-scanner.js';
import { ClientConnection } from '../../src/wire/http2/client-connection.js';
import { GRPC_MESSAGE_BYTES } from './grpc-origin.js';

/** What it prints before its figures. */
export const GRPC_RESULT = 'GRPC ';

export interface GrpcResult {
  readonly calls: number;
  readonly seconds: number;
  /** By kind. */
  readonly errors: Readonly<Record<string, number>>;
}

/** The service and the method that are called. */
export const GRPC_SERVICE = 'bench.Echo';
export const GRPC_PATH = `/${GRPC_SERVICE}/Unary`;

const HOST = '127.0.0.1';
const WINDOW_BYTES = 1 << 20;
const MESSAGE = frameMessage(Buffer.alloc(GRPC_MESSAGE_BYTES, 'm'));
const REPLY_BYTES = MESSAGE.length;
const FIELDS = ['content-type', 'application/grpc', 'user-agent', 'bench', 'grpc-timeout', '10S'];

interface Load {
  readonly port: number;
  readonly connections: number;
  readonly streams: number;
  readonly seconds: number;
  /** 0: until the time is over. */
  readonly calls: number;
}

class Calls {
  done = 0;
  isOver = false;
  readonly errors: Record<string, number> = {};
  readonly sockets: Socket[] = [];

  constructor(private readonly load: Load) {}

  fail(kind: string): void {
    if (!this.isOver) this.errors[kind] = (this.errors[kind] ?? 0) + 1;
  }

  onDone(): void {
    if (this.isOver) return;
    this.done += 1;
    if (this.load.calls > 0 && this.done >= this.load.calls) this.end();
  }

  end: () => void = () => undefined;
}

function open(calls: Calls, { port, streams }: Load): void {
  const socket = connect({ host: HOST, port, noDelay: true });
  const start = {
    method: 'POST',
    scheme: 'http',
    authority: `${HOST}:${port}`,
    path: GRPC_PATH,
    protocol: '',
  } as const;
  const bytesOf = new Map<number, number>();
  const next = (): void => {
    if (calls.isOver || !codec.canRequest) return;
    const stream = codec.request(start, FIELDS, false);
    bytesOf.set(stream.id, 0);
    codec.sendData(stream, MESSAGE, true);
  };
  const codec = new ClientConnection(
    {
      streamsMax: streams,
      streamWindowBytes: WINDOW_BYTES,
      windowBytes: WINDOW_BYTES * 16,
      limits: { bytesMax: 16_384, fieldsMax: 90 },
    },
    {
      onHead: (_stream, head) => {
        if (head.status !== 200) calls.fail(`HTTP ${head.status}`);
      },
      onInterim: () => undefined,
      onData: (stream, bytes) => {
        bytesOf.set(stream.id, (bytesOf.get(stream.id) ?? 0) + bytes.length);
        codec.credit(stream, bytes.length);
      },
      onEnd: (stream, trailers) => {
        const status = firstValueOf(trailers, 'grpc-status');
        if (status !== '0') calls.fail(`status ${status}`);
        else if (bytesOf.get(stream.id) !== REPLY_BYTES) calls.fail('another message');
        else calls.onDone();
        bytesOf.delete(stream.id);
        ended += 1;
      },
      onReset: (_stream, code) => {
        calls.fail(`reset ${code}`);
        ended += 1;
      },
      onWindow: () => undefined,
      onSettings: () => {
        while (codec.canRequest && !calls.isOver) next();
      },
      onGoAway: () => calls.fail('goaway'),
      onPong: () => undefined,
      onMistake: () => undefined,
      onClose: () => calls.fail('closed'),
    },
    performance.now(),
  );
  let ended = 0;
  const flush = (): void => {
    const output = codec.takeOutput();
    if (output !== null) socket.write(output);
  };
  socket.on('error', (error: NodeJS.ErrnoException) => calls.fail(error.code ?? 'error'));
  socket.on('close', () => calls.fail('closed'));
  socket.on('data', (bytes) => {
    codec.receive(bytes, performance.now());
    // Behind the read: a stream is taken out of the codec only when its end has been told.
    for (; ended > 0; ended -= 1) next();
    flush();
  });
  calls.sockets.push(socket);
  flush();
}

function run(load: Load): void {
  const calls = new Calls(load);
  const beganMs = performance.now();
  // A number of calls takes as long as it takes; whoever has started this bounds it.
  const timer = load.calls > 0 ? undefined : setTimeout(() => calls.end(), load.seconds * 1000);
  calls.end = () => {
    calls.isOver = true;
    clearTimeout(timer);
    const seconds = (performance.now() - beganMs) / 1000;
    const result: GrpcResult = { calls: calls.done, seconds, errors: calls.errors };
    process.stdout.write(`${GRPC_RESULT}${JSON.stringify(result)}\n`);
    for (const socket of calls.sockets) socket.destroy();
  };
  for (let at = 0; at < load.connections; at += 1) open(calls, load);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [port = 0, connections = 1, streams = 1, seconds = 1, calls = 0] = process.argv
    .slice(2)
    .map(Number);
  run({ port, connections, streams, seconds, calls });
}
