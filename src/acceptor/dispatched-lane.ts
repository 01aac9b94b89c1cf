/**
 * One lane as the dispatcher sees it: its end, its queue, and the records that come out of it.
 *
 * Thread: acceptor.
 */
import { assertNever, defined } from '../base/assert.js';
import type { ByteRingConsumer, RecordHandler } from '../channel/byte-ring.js';
import type { LaneEnd } from '../channel/lane.js';
import { interimFields, interimStatus, trailerFields } from '../channel/records/field-records.js';
import {
  CONVERSATION,
  FLAG_BORDER,
  FLAG_END,
  RESPONSE_ABORT,
  RESPONSE_BLOCK,
  RESPONSE_BODY,
  RESPONSE_END,
  RESPONSE_HEAD,
  RESPONSE_HOLDS,
  RESPONSE_INTERIM,
  RESPONSE_TRAILERS,
  type ReplyRecordKind,
  TUNNEL_DOWN,
  TUNNEL_END,
  WINDOW,
} from '../channel/records/record-kind.js';
import { type RefusalHold, RepeatBatch, readHold } from '../channel/records/repeat-records.js';
import {
  responseBodyBytes,
  responseIdBytes,
  responseInlineBody,
  responsePhrase,
  responseStatus,
  responseText,
} from '../channel/records/response-head.js';
import type { ReplyHead } from './client-engine.js';
import type { Downstream, InFlightTable } from './in-flight-table.js';
import type { LaneQueue } from './lane-queue.js';
import type { RefusalRepeater } from './refusal-repeater.js';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

interface AnnouncedHold {
  readonly of: Downstream;
  /** By the worker that has announced it. */
  readonly end: LaneEnd;
  readonly terms: RefusalHold;
}

export class DispatchedLane implements RecordHandler {
  end: LaneEnd | null = null;
  /** Its worker neither works nor has ended yet; null: it has none of this kind. */
  abandoned: LaneEnd | null = null;
  queue: LaneQueue | null = null;
  /** Its worker hangs, and is about to be ended: it gets no more requests. */
  isSuspended = false;
  inFlight = 0;
  staleRecords = 0;
  /** Records read. */
  records = 0;
  /** How many times its worker was woken. */
  wakes = 0;
  /** Refusals that were given again and that its worker is to count. */
  readonly repeats = new RepeatBatch();
  /** Of the reply that follows to this request; null: no reply holds for more than its request. */
  private hold: AnnouncedHold | null = null;

  private readonly head: Writable<ReplyHead> = {
    status: 0,
    phrase: '',
    flags: 0,
    bodyBytes: 0,
    idBytes: 0,
    text: new Uint8Array(0),
    inlineBody: new Uint8Array(0),
  };

  constructor(
    private readonly table: InFlightTable<Downstream>,
    private readonly refusals: RefusalRepeater,
  ) {}

  // Hot path (bench/gateway/plain-get): every record of every reply.
  onRecord(kind: number, flags: number, index: number, generation: number): void {
    const downstream = this.table.find(index, generation);
    const recordKind = kind as ReplyRecordKind;
    try {
      if (recordKind === RESPONSE_BLOCK) this.onBlock(downstream, (flags & FLAG_END) !== 0);
      else if (downstream === null) this.staleRecords++;
      else this.onReplyRecord(downstream, recordKind, flags);
    } catch (error) {
      // The records behind this one belong to other exchanges, which go on.
      if (downstream === null) throw error;
      downstream.onBroken(error);
    }
  }

  private onReplyRecord(
    downstream: Downstream,
    kind: Exclude<ReplyRecordKind, typeof RESPONSE_BLOCK>,
    flags: number,
  ): void {
    const end = defined(this.end, 'the lane');
    const ring = end.consumer;
    switch (kind) {
      case RESPONSE_HEAD:
        this.head.status = responseStatus(ring);
        this.head.flags = flags;
        this.head.phrase = responsePhrase(ring);
        this.head.bodyBytes = responseBodyBytes(ring);
        this.head.idBytes = responseIdBytes(ring);
        this.head.text = responseText(ring);
        this.head.inlineBody = responseInlineBody(ring);
        if (this.hold?.of === downstream) this.keepRefusal(this.hold, end);
        downstream.onResponseHead(this.head);
        break;
      case RESPONSE_HOLDS:
        this.hold = { of: downstream, end, terms: readHold(ring) };
        break;
      case RESPONSE_BODY:
        downstream.onResponseBody(payloadOf(ring), (flags & FLAG_END) !== 0);
        break;
      case RESPONSE_END:
        downstream.onResponseEnd();
        break;
      case RESPONSE_ABORT:
        downstream.onResponseAbort();
        break;
      case WINDOW:
        downstream.onWindow(ring.int(0));
        break;
      case CONVERSATION:
        downstream.onConversation();
        break;
      case RESPONSE_TRAILERS:
        downstream.onResponseTrailers(trailerFields(ring));
        break;
      case RESPONSE_INTERIM:
        downstream.onResponseInterim(interimStatus(ring), interimFields(ring));
        break;
      case TUNNEL_DOWN:
        downstream.onTunnelBytes(payloadOf(ring), (flags & FLAG_BORDER) !== 0);
        break;
      case TUNNEL_END:
        downstream.onTunnelEnd();
        break;
      default:
        assertNever(kind);
    }
  }

  /** Before the client has it: what it has sent ahead may be the same request. */
  private keepRefusal({ end: announcer, terms }: AnnouncedHold, end: LaneEnd): void {
    this.hold = null;
    // The same request may have come back here, to the worker's successor.
    if (announcer === end) this.refusals.keep(this, terms, this.head);
  }

  /**
   * The block is given back whether or not a client takes the piece; when the lane ends, all its
   * memory is cleared.
   */
  private onBlock(downstream: Downstream | null, isLast: boolean): void {
    if (this.end === null) {
      this.staleRecords++;
      return;
    }
    const { blocks, consumer } = this.end;
    const position = consumer.int(0);
    try {
      if (downstream === null) this.staleRecords++;
      else downstream.onResponseBody(blocks.bytesAt(position, consumer.int(4)), isLast);
    } finally {
      blocks.release(position);
    }
  }
}

/** A view of the payload, valid inside the record handler only. */
function payloadOf({ sharedBytes, payload, payloadBytes }: ByteRingConsumer): Uint8Array {
  return sharedBytes.subarray(payload, payload + payloadBytes);
}
