/**
 * The request of a health check over HTTP/2.
 *
 * Thread: supervisor (on the main thread). The connection is made for this one request, and closed
 * behind it by its probe. Of a body only the beginning is read.
 */
import type { Socket } from 'node:net';
import { type FieldBlock, NO_FIELDS } from '../base/field-block.js';
import { ClientConnection } from '../wire/http2/client-connection.js';
import type { ClientStream } from '../wire/http2/client-stream.js';
import type { RequestStart } from '../wire/http2/request-block.js';

const OPTIONS = {
  streamsMax: 1,
  streamWindowBytes: 65_535,
  windowBytes: 65_535,
  limits: { bytesMax: 16 * 1024, fieldsMax: 256 },
};

/** Most bytes of a body that a probe looks at. */
const BODY_BYTES_MAX = 4096;

/** What is asked. */
export interface Http2Ask {
  readonly start: RequestStart;
  /** Names and values in turn. */
  readonly fields: readonly string[];
  /** null: there is none. */
  readonly body: Buffer | null;
  /** The whole reply is wanted, and not only its status. */
  readonly isWhole: boolean;
}

export interface Http2ProbeReply {
  readonly status: number;
  readonly fields: FieldBlock;
  readonly body: Buffer;
  readonly trailers: FieldBlock;
}

/** Hears of the reply: one of both, once. */
export interface Http2ProbeListener {
  onReply(reply: Http2ProbeReply): void;
  /** There is no reply, or too much of it. */
  onBroken(): void;
}

/** Sends the request over a socket that stands. */
export function askOverHttp2(socket: Socket, ask: Http2Ask, listener: Http2ProbeListener): void {
  let status = 0;
  let fields = NO_FIELDS;
  let body = Buffer.alloc(0);
  let stream: ClientStream | null = null;
  const end = (trailers: FieldBlock): void => listener.onReply({ status, fields, body, trailers });
  const connection = new ClientConnection(
    OPTIONS,
    {
      onHead: (_stream, head) => {
        status = head.status;
        fields = head.fields;
      },
      onInterim: () => {},
      // A window is not opened again: a longer body is not read to its end.
      onData: (_stream, bytes, isLast) => {
        body = Buffer.concat([body, bytes]);
        if (isLast || !ask.isWhole) end(NO_FIELDS);
        else if (body.length > BODY_BYTES_MAX) listener.onBroken();
      },
      onEnd: (_stream, trailers) => end(trailers),
      onReset: () => listener.onBroken(),
      onWindow: () => {},
      onSettings: () => {
        if (stream !== null || !connection.canRequest) return;
        stream = connection.request(ask.start, ask.fields, ask.body === null);
        if (ask.body !== null) connection.sendData(stream, ask.body, true);
      },
      onGoAway: () => {
        if (stream === null) listener.onBroken();
      },
      onPong: () => {},
      onMistake: () => {},
      onClose: () => listener.onBroken(),
    },
    0,
  );
  const flush = (): void => {
    const output = connection.takeOutput();
    if (output !== null && !socket.destroyed) socket.write(output);
  };
  socket.on('data', (bytes) => {
    // Nothing is counted by time in the life of one request.
    connection.receive(bytes, 0);
    flush();
  });
  flush();
}
