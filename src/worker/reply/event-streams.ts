/**
 * The event streams of a worker: which replies are some, their heartbeats, and their ends.
 *
 * Thread: worker. Owns nothing but the flow; the open streams are their exchanges'. A stream that
 * the gateway ends (its target is silent for too long, or the credentials that opened it have
 * ended) ends as a whole reply: clients connect again, and show what credentials they have by then.
 */
import type { DeadlineWheel } from '../exchange/deadline-wheel.js';
import { type Exchange, upstreamOf } from '../exchange/exchange.js';
import type { ExchangeMetrics } from '../telemetry/exchange-metrics.js';
import {
  EventStream,
  type EventStreamOwner,
  type EventStreamRule,
  isEventStream,
} from './event-stream.js';

/** A comment without text, and the empty line behind it. */
const HEARTBEAT = Buffer.from(':\n\n');
/** The machine's clock may be set while a stream is open: its end is looked at again by then. */
const LOOK_MS = 60_000;

const TOKEN_ENDED = 'the credentials that opened the event stream have ended';

export interface EventStreamParts {
  readonly wheel: Pick<DeadlineWheel, 'set' | 'clear'>;
  readonly ledger: Pick<ExchangeMetrics, 'countEventStream' | 'countEventStreamEnd'>;
  nowMs(): number;
  unixMs(): number;
}

/** What happens to the reply of a stream. */
export interface EventStreamReplies {
  /** Whether the client's side takes more at once. */
  takesMore(exchange: Exchange): boolean;
  send(exchange: Exchange, bytes: Buffer): void;
  /** The reply is over here. `cause`: why, for the access record. */
  endByGateway(exchange: Exchange, cause: string): void;
}

export class EventStreams implements EventStreamOwner {
  constructor(
    private readonly parts: EventStreamParts,
    private readonly replies: EventStreamReplies,
  ) {}

  /** The head of a target's reply of unknown length is there. null: it is no event stream. */
  open(exchange: Exchange): EventStream | null {
    const { route, reply } = exchange;
    if (route === null || !isEventStream(reply.fields)) return null;
    const { nowMs, unixMs } = this.parts;
    const rule = ruleOf(exchange, upstreamOf(exchange).timeouts.idleMs);
    const now = nowMs();
    const stream = new EventStream(exchange, rule, now, this);
    this.parts.ledger.countEventStream(route.config.index);
    this.arm(stream, now, unixMs());
    return stream;
  }

  onClosed({ deadline, exchange }: EventStream): void {
    this.parts.wheel.clear(deadline);
    if (exchange.route !== null) {
      this.parts.ledger.countEventStreamEnd(exchange.route.config.index);
    }
  }

  onDue(stream: EventStream, nowMs: number): void {
    const { exchange, rule, heartbeatMs } = stream;
    if (exchange.isFinished) return;
    const unixMs = this.parts.unixMs();
    if (unixMs >= rule.endsAtUnixMs) {
      this.replies.endByGateway(exchange, TOKEN_ENDED);
      return;
    }
    if (heartbeatMs > 0 && nowMs - stream.sentMs >= heartbeatMs) {
      // Who takes nothing gets no comments either: they would only pile up.
      if (stream.isAtBorder && this.replies.takesMore(exchange)) {
        this.replies.send(exchange, HEARTBEAT);
        stream.onHeartbeat(nowMs);
      }
    }
    this.arm(stream, nowMs, unixMs);
  }

  private arm(stream: EventStream, nowMs: number, unixMs: number): void {
    const { heartbeatMs, sentMs, rule, deadline } = stream;
    let dueMs = Number.POSITIVE_INFINITY;
    if (heartbeatMs > 0) {
      const beatMs = sentMs + heartbeatMs;
      dueMs = beatMs > nowMs ? beatMs : nowMs + heartbeatMs;
    }
    if (rule.endsAtUnixMs !== Number.POSITIVE_INFINITY) {
      const leftMs = Math.max(0, rule.endsAtUnixMs - unixMs);
      dueMs = Math.min(dueMs, nowMs + Math.min(leftMs, LOOK_MS));
    }
    if (dueMs !== Number.POSITIVE_INFINITY) this.parts.wheel.set(deadline, dueMs);
  }
}

function ruleOf({ route, identity }: Exchange, upstreamIdleMs: number): EventStreamRule {
  const { idleMs = 0, heartbeatMs = 0, outlivesToken = false } = route?.config.eventStreams ?? {};
  const { endsAtUnixMs = Number.POSITIVE_INFINITY } = outlivesToken ? {} : identity;
  return { idleMs: idleMs === 0 ? upstreamIdleMs : idleMs, heartbeatMs, endsAtUnixMs };
}
