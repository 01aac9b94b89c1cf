/**
 * A server of gRPC that costs little: every call gets one message, and the status OK behind it.
 *
 * By the codec of the gateway, since others cost several times as much (ten or more microseconds a
 * call, on the processors that the gateway needs). It listens in the process of the origin.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { field } from '../../src/base/field-block.js';
import { frameMessage } from '../../src/wire/grpc/message-scanner.js';
import { linesOf } from '../../src/wire/http2/reply-block.js';
import { ServerConnection } from '../../src/wire/http2/server-connection.js';
import type { ServerStream } from '../../src/wire/http2/server-stream.js';

const HOST = '127.0.0.1';
const WINDOW_BYTES = 1 << 20;
const OPTIONS = {
  streamsMax: 1000,
  streamWindowBytes: WINDOW_BYTES,
  windowBytes: WINDOW_BYTES * 16,
  mayConnect: false,
};
const RULES = {
  headerBytes: 16_384,
  headerFields: 90,
  bodyBytes: WINDOW_BYTES,
  bodyOnGet: true,
  underscores: 'forward',
  rawCharacters: 'encode',
} as const;
const ORIGIN = { peer: HOST, connection: 'http', fallbackHost: HOST };

/** Of a message, both ways: that of a small record. */
export const GRPC_MESSAGE_BYTES = 128;

const HEAD = field('content-type', 'application/grpc');
const MESSAGE = frameMessage(Buffer.alloc(GRPC_MESSAGE_BYTES, 'm'));
const TRAILERS = field('grpc-status', '0');

/** Resolves with the port. */
export async function listenGrpc(): Promise<number> {
  const server = createServer({ noDelay: true }, serve);
  server.listen(0, HOST);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

function serve(socket: Socket): void {
  const answer = (stream: ServerStream): void => {
    codec.sendHead(stream, 200, linesOf(HEAD), false);
    codec.sendData(stream, MESSAGE, false);
    codec.sendEnd(stream, TRAILERS);
  };
  const codec = new ServerConnection(
    OPTIONS,
    {
      onHead: () => undefined,
      onMalformed: () => undefined,
      onData: (stream, bytes) => codec.credit(stream, bytes.length),
      onEnd: answer,
      onReset: () => undefined,
      onMistake: () => undefined,
      onWindow: () => undefined,
      onClose: () => undefined,
    },
    { rules: RULES, origin: ORIGIN, nowMs: performance.now() },
  );
  const flush = (): void => {
    const output = codec.takeOutput();
    if (output !== null) socket.write(output);
    if (codec.isClosed) socket.end();
  };
  socket.on('error', () => socket.destroy());
  socket.on('data', (bytes) => {
    codec.receive(bytes, performance.now());
    flush();
  });
  flush();
}
