/**
 * Writes replies onto the lane. Every reply ends here, those of targets and those of the gateway
 * itself.
 *
 * Thread: worker. Owns the heads that wait for the first part of their body, for one turn at most:
 * a reply whose body came along with its head goes out as one record. Where a body ends it is told;
 * it does not count.
 */
import { type FieldBlock, field, joinFields, NO_FIELDS } from '../../base/field-block.js';
import { responseTimeField } from '../../base/problem-reply.js';
import type { ByteRingProducer } from '../../channel/byte-ring.js';
import { BODY_RECORD_BYTES_MAX, type LaneEnd } from '../../channel/lane.js';
import { kindWithFlags } from '../../channel/record-header.js';
import { CONTINUE, writeInterimHead, writeTrailers } from '../../channel/records/field-records.js';
import {
  CONVERSATION,
  FLAG_BODILESS,
  FLAG_BORDER,
  FLAG_END,
  FLAG_TUNNEL,
  RESPONSE_ABORT,
  RESPONSE_BODY,
  RESPONSE_END,
  RESPONSE_TRAILERS,
  TUNNEL_DOWN,
  TUNNEL_END,
  writeBare,
  writeBody,
  writeBodyPosition,
  writeWindow,
} from '../../channel/records/record-kind.js';
import { PROTOCOL_HTTP_2 } from '../../channel/records/request-head.js';
import { writeResponseHead, writeTextReply } from '../../channel/records/response-head.js';
import type { Exchange } from '../exchange/exchange.js';
import { acceptOf } from '../tunnel/accept-key.js';

export class LaneWriter {
  private pendingHeads: Exchange[] = [];

  constructor(
    private readonly lane: Pick<LaneEnd, 'producer' | 'blocks'>,
    private readonly nowMs: () => number,
    private readonly touch: () => void,
  ) {}

  private get ring(): ByteRingProducer {
    return this.lane.producer;
  }

  /** Replies wait outside of the full lane: their targets should wait as well. */
  get isBehind(): boolean {
    return this.ring.backlogBytes > 0;
  }

  /** A reply of the gateway's own, whole. */
  writeLocal(exchange: Exchange, fields: FieldBlock, body: string): void {
    const { reply } = exchange;
    const { status, isBodiless } = reply;
    const bodyBytes = Buffer.byteLength(body, 'utf8');
    reply.begin(isBodiless ? 0 : bodyBytes);
    const head = {
      index: exchange.index,
      generation: exchange.generation,
      flags: FLAG_END | (isBodiless ? FLAG_BODILESS : 0),
      status,
      bodyBytes: status === 204 ? -1 : bodyBytes,
      requestId: exchange.head.requestId,
      block: joinFields(fields, this.timeField(exchange)),
    };
    // A byte for each character is ASCII.
    if (isBodiless) writeTextReply(this.ring, head, '');
    else if (bodyBytes === body.length) writeTextReply(this.ring, head, body);
    else writeResponseHead(this.ring, head, Buffer.from(body, 'utf8'));
    this.touch();
  }

  /** A head before that of the reply. */
  interim(exchange: Exchange, status: number, fields: FieldBlock): void {
    writeInterimHead(this.ring, exchange, status, fields);
    this.touch();
  }

  /** The body of the request is wanted: tells a client that waits for that, once. */
  wantBody(exchange: Exchange): void {
    if (!exchange.upload.expectsContinue) return;
    exchange.upload.onContinue();
    this.interim(exchange, CONTINUE, NO_FIELDS);
  }

  /** The head of the reply is what the exchange says. It waits for what follows in this turn. */
  head(exchange: Exchange): void {
    exchange.reply.holdHead();
    this.pendingHeads.push(exchange);
    this.touch();
  }

  /** A part of the body, of any size. `isLast`: the reply is complete with it. */
  data(exchange: Exchange, chunk: Buffer, isLast: boolean): void {
    const { reply } = exchange;
    if (this.lane.blocks.tryShare(chunk)) {
      if (reply.isHeadPending) this.writeHead(exchange, 0, null);
      const flags = isLast ? FLAG_END : 0;
      writeBodyPosition(this.ring, flags, exchange.index, exchange.generation, chunk);
      reply.onSent(chunk.length);
    } else {
      this.writeCopy(exchange, chunk, isLast);
    }
    reply.takeWindow(chunk.length);
    this.touch();
  }

  private writeCopy(exchange: Exchange, chunk: Buffer, isLast: boolean): void {
    let at = 0;
    do {
      const piece = chunk.subarray(at, at + BODY_RECORD_BYTES_MAX);
      at += piece.length;
      this.writePiece(exchange, piece, isLast && at === chunk.length);
    } while (at < chunk.length);
  }

  private writePiece(exchange: Exchange, piece: Buffer, isLast: boolean): void {
    const flags = isLast ? FLAG_END : 0;
    if (exchange.reply.isHeadPending) {
      this.writeHead(exchange, flags, piece);
      return;
    }
    const kind = kindWithFlags(RESPONSE_BODY, flags);
    writeBody(this.ring, kind, exchange.index, exchange.generation, piece);
    exchange.reply.onSent(piece.length);
  }

  /** The body is complete. */
  end(exchange: Exchange): void {
    const { reply } = exchange;
    if (reply.isHeadPending) {
      // There was no body, and its length is known now. What HEAD asks for keeps its own.
      if (!reply.isBodiless) reply.edit(reply.fields, 0);
      this.writeHead(exchange, FLAG_END, null);
    } else {
      writeBare(this.ring, RESPONSE_END, exchange.index, exchange.generation);
    }
    this.touch();
  }

  /** The body is complete, and these fields follow it. */
  trailers(exchange: Exchange, fields: FieldBlock): void {
    if (exchange.reply.isHeadPending) this.writeHead(exchange, 0, null);
    writeTrailers(this.ring, RESPONSE_TRAILERS, exchange, fields);
    this.touch();
  }

  /** The reply has begun and cannot be completed: the client must see that. */
  cut(exchange: Exchange): void {
    writeBare(this.ring, RESPONSE_ABORT, exchange.index, exchange.generation);
    this.touch();
  }

  /** That many bytes of the request body have been used up. */
  giveWindow(exchange: Exchange, bytes: number): void {
    exchange.upload.onCredit(bytes);
    writeWindow(this.ring, exchange.index, exchange.generation, bytes);
    this.touch();
  }

  /** How long the client is silent in its body is its own affair. */
  converse(exchange: Exchange): void {
    writeBare(this.ring, CONVERSATION, exchange.index, exchange.generation);
    this.touch();
  }

  /** The head that opens a tunnel: what comes behind it is not its body. */
  tunnelHead(exchange: Exchange, key: string): void {
    const isHttp1 = exchange.head.protocol !== PROTOCOL_HTTP_2;
    const accept = isHttp1 ? field('Sec-WebSocket-Accept', acceptOf(key)) : NO_FIELDS;
    exchange.reply.edit(joinFields(exchange.reply.fields, accept), -1);
    this.writeHead(exchange, FLAG_TUNNEL, null);
  }

  /** `isAtBorder`: a frame ends with them. */
  tunnelBytes(exchange: Exchange, bytes: Uint8Array, isAtBorder: boolean): void {
    const { index, generation, reply } = exchange;
    for (let at = 0; at < bytes.length; at += BODY_RECORD_BYTES_MAX) {
      const piece = bytes.subarray(at, at + BODY_RECORD_BYTES_MAX);
      const isLast = at + piece.length === bytes.length;
      const kind = kindWithFlags(TUNNEL_DOWN, isAtBorder && isLast ? FLAG_BORDER : 0);
      writeBody(this.ring, kind, index, generation, piece);
    }
    reply.onSent(bytes.length);
    reply.takeWindow(bytes.length);
    this.touch();
  }

  /** Nothing more comes down. */
  tunnelEnd(exchange: Exchange): void {
    writeBare(this.ring, TUNNEL_END, exchange.index, exchange.generation);
    this.touch();
  }

  /** At the end of a turn: heads whose body did not come with them go out alone. */
  flushHeads(): void {
    if (this.pendingHeads.length === 0) return;
    const { pendingHeads } = this;
    this.pendingHeads = [];
    for (const exchange of pendingHeads) {
      if (exchange.reply.isHeadPending && !exchange.isFinished) this.writeHead(exchange, 0, null);
    }
  }

  private writeHead(exchange: Exchange, flags: number, body: Buffer | null): void {
    const { reply } = exchange;
    reply.begin(body === null ? 0 : body.length);
    const fields = joinFields(reply.fields, this.timeField(exchange));
    writeResponseHead(
      this.ring,
      {
        index: exchange.index,
        generation: exchange.generation,
        flags: flags | (reply.isBodiless ? FLAG_BODILESS : 0),
        status: reply.status,
        bodyBytes: reply.bodyBytes,
        phrase: reply.phrase,
        requestId: exchange.head.requestId,
        // Replies of the gateway itself have these fields already.
        block: joinFields(fields, reply.isLocal ? NO_FIELDS : ownFields(exchange)),
      },
      body,
    );
    this.touch();
  }

  private timeField(exchange: Exchange): FieldBlock {
    return responseTimeField(this.nowMs() - exchange.receivedMs);
  }
}

/** What the gateway adds to a reply of a target, and the target's Date as the last field. */
function ownFields({ replyFields, reply }: Exchange): FieldBlock {
  return reply.date === '' ? replyFields : joinFields(replyFields, field('date', reply.date));
}
