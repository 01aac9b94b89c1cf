/**
 * Writes replies onto the lane.
 *
 * Thread: worker. Owns the heads that wait for the first part of their body: a reply whose body
 * came along with its head goes out as one record.
 */

import { type FieldBlock, joinFields } from '../../base/field-block.js';
import { buildProblemReply, responseTimeField } from '../../base/problem-reply.js';
import type { ProblemKind } from '../../base/problems.js';
import type { BodyBlocks } from '../../channel/body-blocks.js';
import type { ByteRingProducer } from '../../channel/byte-ring.js';
import { BODY_RECORD_BYTES_MAX, type LaneEnd } from '../../channel/lane.js';
import { kindWithFlags } from '../../channel/record-header.js';
import {
  FLAG_BODILESS,
  FLAG_END,
  RESPONSE_ABORT,
  RESPONSE_BODY,
  RESPONSE_END,
  writeBare,
  writeBody,
  writeBodyPosition,
  writeWindow,
} from '../../channel/records/record-kind.js';
import { writeResponseHead, writeTextReply } from '../../channel/records/response-head.js';
import { type LocalReply, refusal } from '../../filters/local-reply.js';
import type { Exchange } from '../exchange/exchange.js';
import { filterReplyFields } from './reply-filters.js';

export class ReplyWriter {
  /** Exchanges whose head waits for the first part of its body, for this turn at most. */
  private pendingHeads: Exchange[] = [];
  private readonly ring: ByteRingProducer;
  private readonly blocks: BodyBlocks;

  constructor(
    { producer, blocks }: LaneEnd,
    private readonly nowMs: () => number,
    private readonly touch: () => void,
    private readonly onError: (error: unknown) => void,
  ) {
    this.ring = producer;
    this.blocks = blocks;
  }

  /** Replies wait outside of the full lane: their targets should wait as well. */
  get isBehind(): boolean {
    return this.ring.backlogBytes > 0;
  }

  /** A problem document. */
  sendProblem(exchange: Exchange, kind: ProblemKind, detail: string, fields: FieldBlock): void {
    this.sendLocal(exchange, refusal(kind, detail, { fields }));
  }

  /** A reply of the gateway's own. */
  sendLocal(exchange: Exchange, reply: LocalReply): void {
    const { requestId, method } = exchange.head;
    const { problem, detail, status, members } = reply;
    const fields = this.filterLocal(exchange, status, reply.fields);
    const made =
      problem === null
        ? { fields, body: reply.body }
        : buildProblemReply(problem, requestId, detail, fields, members);
    const bodyBytes = Buffer.byteLength(made.body, 'utf8');
    const isBodiless = method === 'HEAD' || status === 204 || status === 304;
    exchange.reply.onLocal(status, problem);
    exchange.reply.begin(isBodiless ? 0 : bodyBytes);
    const head = {
      index: exchange.index,
      generation: exchange.generation,
      flags: FLAG_END | (isBodiless ? FLAG_BODILESS : 0),
      status,
      bodyBytes: status === 204 ? -1 : bodyBytes,
      requestId,
      block: joinFields(made.fields, this.timeField(exchange)),
    };
    // A byte for each character is ASCII.
    if (isBodiless) writeTextReply(this.ring, head, '');
    else if (bodyBytes === made.body.length) writeTextReply(this.ring, head, made.body);
    else writeResponseHead(this.ring, head, Buffer.from(made.body, 'utf8'));
    this.touch();
  }

  /** A reply of our own holds nothing that a filter would have to take out. */
  private filterLocal(exchange: Exchange, status: number, fields: FieldBlock): FieldBlock {
    try {
      return filterReplyFields(exchange, status, fields, true);
    } catch (error) {
      this.onError(error);
      return fields;
    }
  }

  /** The target's head is there. True: the reply is complete with it. */
  onHead(exchange: Exchange): boolean {
    const { reply } = exchange;
    if (reply.isBodiless || reply.bodyBytes === 0) {
      this.writeHead(exchange, FLAG_END, null);
      return true;
    }
    reply.holdHead();
    this.pendingHeads.push(exchange);
    this.touch();
    return false;
  }

  /** A part of the body. True: the reply is complete with it. Any size, but within the window. */
  onBody(exchange: Exchange, chunk: Buffer): boolean {
    const { reply } = exchange;
    const isLast = reply.bytesSent + chunk.length === reply.bodyBytes;
    if (!reply.isHeadPending && this.blocks.tryShare(chunk)) {
      const flags = isLast ? FLAG_END : 0;
      writeBodyPosition(this.ring, flags, exchange.index, exchange.generation, chunk);
      reply.onSent(chunk.length);
    } else {
      this.writeCopy(exchange, chunk, isLast);
    }
    reply.takeWindow(chunk.length);
    this.touch();
    return isLast;
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

  /** The target has said all; what it said may have had no length. */
  onEnd(exchange: Exchange): void {
    const { reply } = exchange;
    if (reply.isHeadPending) {
      reply.resize(0);
      this.writeHead(exchange, FLAG_END, null);
    } else {
      writeBare(this.ring, RESPONSE_END, exchange.index, exchange.generation);
    }
    this.touch();
  }

  /**
   * The reply cannot be completed: the client must see that. `problem` is why the gateway ends it;
   * null: its target has.
   */
  cut(exchange: Exchange, problem: ProblemKind | null): void {
    exchange.reply.onCut(problem);
    writeBare(this.ring, RESPONSE_ABORT, exchange.index, exchange.generation);
    this.touch();
  }

  /** So many bytes of the request body have been used up. */
  giveWindow(exchange: Exchange, bytes: number): void {
    exchange.upload.onCredit(bytes);
    writeWindow(this.ring, exchange.index, exchange.generation, bytes);
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
    writeResponseHead(
      this.ring,
      {
        index: exchange.index,
        generation: exchange.generation,
        flags: flags | (reply.isBodiless ? FLAG_BODILESS : 0),
        status: reply.status,
        bodyBytes: reply.bodyBytes,
        requestId: exchange.head.requestId,
        block: joinFields(
          joinFields(reply.fields, this.timeField(exchange)),
          exchange.admission.limitFields,
        ),
      },
      body,
    );
    this.touch();
  }

  private timeField(exchange: Exchange): FieldBlock {
    return responseTimeField(this.nowMs() - exchange.receivedMs);
  }
}
