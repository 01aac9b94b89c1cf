/**
 * One event stream (text/event-stream) on its way to a client: its silence, its heartbeat, its end.
 *
 * Thread: worker. Owned by its exchange from the head of the reply to the end of the exchange. The
 * bytes of the target go on as they are; comments of our own stand between events only. One entry
 * of the wheel serves heartbeat and end, and is looked at when it is due: an event moves no timer.
 */
import type { FieldBlock } from '../../base/field-block.js';
import { EventBorders, MarkRemover } from '../../wire/event-stream/event-borders.js';
import { DeadlineEntry } from '../exchange/deadline-wheel.js';
import type { Exchange } from '../exchange/exchange.js';
import type { EventFlow } from '../exchange/reply-state.js';

const NOTHING = Buffer.alloc(0);

const TYPE = /\r\ncontent-type: ?text\/event-stream[\t ]*(?:;|\r\n|$)/i;
const ENCODING = /\r\ncontent-encoding:/i;

/** Whether a reply with these fields is an event stream. */
export function isEventStream(fields: FieldBlock): boolean {
  return TYPE.test(fields);
}

/** What happens about a stream. */
export interface EventStreamOwner {
  onDue(stream: EventStream, nowMs: number): void;
  onClosed(stream: EventStream): void;
}

/** What the route says about event streams. */
export interface EventStreamRule {
  /** Longest silence of the target, in ms. */
  readonly idleMs: number;
  /** Silence after which the client gets a comment, in ms; 0: never. */
  readonly heartbeatMs: number;
  /** When the credentials that opened it end, in ms since 1970; Infinity: they do not end. */
  readonly endsAtUnixMs: number;
}

export class EventStream implements EventFlow {
  readonly deadline: DeadlineEntry;
  /** When the target has sent something last. */
  movedMs: number;
  /** When the client was sent something last. */
  sentMs: number;
  readonly heartbeatMs: number;

  private readonly borders = new EventBorders();
  private mark: MarkRemover | null = null;
  /** A byte of the target has been sent. */
  private hasBegun = false;

  constructor(
    readonly exchange: Exchange,
    readonly rule: EventStreamRule,
    nowMs: number,
    private readonly owner: EventStreamOwner,
  ) {
    this.movedMs = nowMs;
    this.sentMs = nowMs;
    // Nobody can say where an event ends in what is compressed.
    this.heartbeatMs = ENCODING.test(exchange.reply.fields) ? 0 : rule.heartbeatMs;
    this.deadline = new DeadlineEntry((dueMs) => owner.onDue(this, dueMs));
  }

  /** A comment may be sent now. */
  get isAtBorder(): boolean {
    return this.borders.isAtBorder;
  }

  take(bytes: Buffer, nowMs: number): Buffer {
    this.movedMs = nowMs;
    this.sentMs = nowMs;
    if (this.heartbeatMs === 0) return bytes;
    this.hasBegun = true;
    const kept = this.mark === null ? bytes : this.mark.take(bytes);
    this.borders.pass(kept);
    return kept;
  }

  rest(): Buffer {
    return this.mark === null ? NOTHING : this.mark.rest();
  }

  close(): void {
    this.owner.onClosed(this);
  }

  /** A comment has been sent. */
  onHeartbeat(nowMs: number): void {
    this.sentMs = nowMs;
    if (!this.hasBegun) this.mark ??= new MarkRemover();
  }
}
