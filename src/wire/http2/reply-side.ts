/**
 * The replies of a client's connection.
 *
 * Thread: any (pure). RFC 9113 8.1. server-connection.ts reads what the client sends, and is the
 * only one to extend this.
 */
import { assert } from '../../base/assert.js';
import { type FieldBlock, NO_FIELDS } from '../../base/field-block.js';
import { FRAME_BYTES_MAX } from './frame-kinds.js';
import type { FieldLines } from './known-lines.js';
import { encodeReply, linesOf, replyBlockRoom, writeReply } from './reply-block.js';
import type { ServerStream } from './server-stream.js';
import { StreamConnection } from './stream-connection.js';

/** The table that replies are written with. */
export const REPLY_TABLE_BYTES = 4096;

export abstract class ReplySide extends StreamConnection<ServerStream> {
  /** Sends a head before that of the reply (RFC 9110 15.2). */
  sendInterim(stream: ServerStream, status: number, fields: FieldBlock): void {
    assert(!stream.hasHead && status < 200, 'interim heads come before the head');
    if (stream.isOver) return;
    this.writeHeaders(stream.id, status, linesOf(fields), false);
  }

  // Hot path (bench/gateway/http2-multiplexed): every reply.
  /** Sends the head of the reply; `ends`: it has no body. */
  sendHead(stream: ServerStream, status: number, lines: FieldLines, ends: boolean): void {
    assert(!stream.hasHead && status >= 200, 'a reply has one head');
    if (stream.isOver) return;
    stream.hasHead = true;
    this.budget.earn();
    this.writeHeaders(stream.id, status, lines, ends);
    if (ends) this.endLocal(stream);
  }

  /** Straight into the frame, where one is certainly enough. */
  private writeHeaders(id: number, status: number, lines: FieldLines, ends: boolean): void {
    const { writer, encoder } = this;
    const room = replyBlockRoom(lines.length);
    if (room > FRAME_BYTES_MAX) {
      writer.headers(id, encodeReply(encoder, status, lines), ends);
      return;
    }
    const at = writer.reserve(room);
    const end = writeReply(encoder, writer.memory, at, { status, lines });
    writer.commitHeaders(id, end - at, ends);
  }

  override sendData(stream: ServerStream, bytes: Uint8Array, ends: boolean): number {
    assert(stream.hasHead, 'a body comes behind its head');
    return super.sendData(stream, bytes, ends);
  }

  /** Ends the reply behind its body, with trailers or none. */
  sendEnd(stream: ServerStream, trailers: FieldBlock): void {
    assert(stream.hasHead, 'a reply ends behind its head');
    if (stream.isOver) return;
    if (trailers === NO_FIELDS) this.writer.data(stream.id, Buffer.alloc(0), true);
    else this.writeHeaders(stream.id, 0, linesOf(trailers), true);
    this.endLocal(stream);
  }
}
