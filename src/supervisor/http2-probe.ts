/**
 * The GET of a health check over HTTP/2.
 *
 * Thread: supervisor (on the main thread). The connection is made for this one request, and closed
 * behind it by its probe. Of a body only the beginning is read.
 */
import type { Socket } from 'node:net';
import { ClientConnection } from '../wire/http2/client-connection.js';
import type { RequestStart } from '../wire/http2/request-block.js';

const OPTIONS = {
  streamsMax: 1,
  streamWindowBytes: 65_535,
  windowBytes: 65_535,
  limits: { bytesMax: 16 * 1024, fieldsMax: 256 },
};

/** Hears of the reply: one of both, once. */
export interface Http2ProbeListener {
  /** The status, when the body has ended or enough of it has come. */
  onStatus(status: number): void;
  /** There is no reply. */
  onBroken(): void;
}

/** Sends the GET over a socket that stands. `fields`: names and values in turn. */
export function getOverHttp2(
  socket: Socket,
  start: RequestStart,
  fields: readonly string[],
  listener: Http2ProbeListener,
): void {
  let status = 0;
  let hasAsked = false;
  const connection = new ClientConnection(
    OPTIONS,
    {
      onHead: (_stream, head) => {
        status = head.status;
      },
      onInterim: () => {},
      // A window is not opened again: a longer body is not read to its end.
      onData: (_stream, bytes, isLast) => {
        if (isLast || bytes.length > 0) listener.onStatus(status);
      },
      onEnd: () => listener.onStatus(status),
      onReset: () => listener.onBroken(),
      onWindow: () => {},
      onSettings: () => {
        if (hasAsked || !connection.canRequest) return;
        hasAsked = true;
        connection.request(start, fields, true);
      },
      onGoAway: () => {
        if (!hasAsked) listener.onBroken();
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
