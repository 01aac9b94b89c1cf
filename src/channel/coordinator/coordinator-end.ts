/**
 * Asks, replies and tells: the coordinator's end. The picture is in coordinator-channel.ts.
 *
 * Thread: any (both ends). Owns the coordinator's side of the rings of all lanes, and the reading
 * side of the control ring.
 *
 * A coordinator that ends after it has published replies and before it has given the asks back
 * leaves answered asks in the ring. The next coordinator finds their replies in the reply ring, and
 * skips these asks. For other asks of the batch the dead coordinator may have taken a place or a
 * probe already: onSeenAgain gives both back first. Replies to asks from earlier are written before
 * a batch, never within one: so the replies of a batch are the last replies in their ring.
 */
import { assert, assertNever, defined } from '../../base/assert.js';
import {
  CONTROL_MAIL,
  CONTROL_PROBE,
  CONTROL_STOP,
  CONTROL_TARGETS,
  CONTROL_WORKER_LOST,
  type ControlKind,
} from './coordinator-control.js';
import type { CoordinatorMemory } from './coordinator-memory.js';
import type { WakePort } from './coordinator-messages.js';
import {
  AskView,
  ReplyFields,
  ReplyView,
  SLOT_ABANDON,
  SLOT_ASK,
  SLOT_TELL,
  TellView,
  writeReply,
} from './coordinator-records.js';
import { CoordinatorStatus, counterIndex } from './coordinator-status.js';
import { ReturnView, SLOT_RETURN } from './key-grant-returns.js';
import { NO_SLOT, SlotRingConsumer, SlotRingProducer } from './slot-ring.js';
import type { CheckResult } from './target-states.js';

/** Slots of one lane that are handled before the next lane has its turn. */
export const LANE_BATCH_MAX = 256;

const UNANSWERED_ASKS = counterIndex('unansweredAsks');
const STALE_ASKS = counterIndex('staleAsks');

/** What the coordinator does with asks and tells. Views are valid inside the call. */
export interface CoordinatorHandler {
  /**
   * Fills in the reply, which was cleared. False: the verdict comes later, by
   * {@link CoordinatorEnd.replyLate}.
   */
  onAsk(lane: number, ask: AskView, reply: ReplyFields, nowMs: number): boolean;
  /** The worker waits for this ask no more; generation, id and upstream can be read. */
  onAbandon(lane: number, ask: AskView, nowMs: number): void;
  /**
   * The previous coordinator may have begun with this ask and has published no reply: gives back
   * what it took for the ask. A call of onAsk for the same ask follows.
   */
  onSeenAgain(lane: number, ask: AskView, nowMs: number): void;
  onTell(lane: number, tell: TellView, nowMs: number): void;
  /** A request with a ticket of requests in flight has ended; the tell says what it has cost. */
  onInFlightEnd(ticket: number, tell: TellView, nowMs: number): void;
  /** The rest of a key grant comes back. A return may be seen again after a restart. */
  onReturn(lane: number, rest: ReturnView, nowMs: number): void;
  /** The worker of this lane and generation has ended. */
  onWorkerLost(lane: number, generation: number, nowMs: number): void;
  /** A health check of this target ended with this result. */
  onProbe(targetIndex: number, result: CheckResult, nowMs: number): void;
  /** Discovery has found other targets: see target-slots.ts. */
  onTargetsChanged(): void;
  onMail(): void;
  onStop(): void;
}

interface CoordinatorLane {
  readonly index: number;
  readonly requests: SlotRingConsumer;
  readonly replies: SlotRingProducer;
  /** Asks that the previous coordinator has answered and that may still be in the ring. */
  readonly answered: ReadonlySet<number>;
  /** True for the only batch in which the previous coordinator may have begun asks. */
  isFirstBatch: boolean;
  wakePort: WakePort | null;
}

/**
 * The coordinator's end of all lanes and of the control ring. Hot path, watched by
 * bench/micro/coordinator/decisions: every ask.
 */
export class CoordinatorEnd {
  readonly status: CoordinatorStatus;
  private readonly lanes: readonly CoordinatorLane[];
  private readonly control: SlotRingConsumer;
  private readonly ask = new AskView();
  private readonly tell = new TellView();
  private readonly rest = new ReturnView();
  private readonly reply = new ReplyFields();
  private nowMs = 0;
  private hasOtherWork: () => boolean = () => false;

  constructor(memory: CoordinatorMemory) {
    this.status = new CoordinatorStatus(memory.status);
    this.control = new SlotRingConsumer(memory.control);
    this.lanes = memory.lanes.map((rings, index) => {
      const requests = new SlotRingConsumer(rings.requests);
      const replies = new SlotRingProducer(rings.replies);
      const answered = answeredAsks(replies, this.status.generationOf(index));
      return { index, requests, replies, answered, isFirstBatch: true, wakePort: null };
    });
  }

  /** Something besides the rings keeps the coordinator awake, and wakes it. */
  alsoWakesFor(hasWork: () => boolean): void {
    this.hasOtherWork = hasWork;
  }

  /** Wakes the worker at once: replies may have been published while there was no port. */
  setWakePort(lane: number, port: WakePort): void {
    const end = this.lanes[lane];
    assert(end !== undefined, 'the wake port belongs to a lane');
    end.wakePort = port;
    port.postMessage(0);
  }

  /** Handles waiting slots, at most one batch of each lane. Returns the number of slots handled. */
  drain(handler: CoordinatorHandler, nowMs: number): number {
    this.nowMs = nowMs;
    let count = this.drainControl(handler);
    for (const lane of this.lanes) count += this.drainLane(lane, handler);
    return count;
  }

  /** Sleeps until the time is over, or until an ask or an urgent tell comes. */
  park(timeoutMs: number): void {
    this.status.armDoorbell();
    if (this.hasWork()) this.status.disarmDoorbell();
    else this.status.waitForDoorbell(timeoutMs);
  }

  private hasWork(): boolean {
    if (!this.control.isEmpty()) return true;
    for (const lane of this.lanes) if (!lane.requests.isEmpty()) return true;
    return this.hasOtherWork();
  }

  private drainControl(handler: CoordinatorHandler): number {
    let count = 0;
    try {
      for (let base = this.control.next(); base !== NO_SLOT; base = this.control.next()) {
        count += 1;
        this.handleControl(base, handler);
      }
    } finally {
      this.control.release();
    }
    return count;
  }

  private handleControl(base: number, handler: CoordinatorHandler): void {
    const kind = this.control.words[base] as ControlKind;
    const first = this.control.words[base + 1] as number;
    const second = this.control.words[base + 2] as number;
    switch (kind) {
      case CONTROL_MAIL:
        handler.onMail();
        return;
      case CONTROL_STOP:
        handler.onStop();
        return;
      case CONTROL_WORKER_LOST:
        handler.onWorkerLost(first, second, this.nowMs);
        return;
      case CONTROL_PROBE:
        handler.onProbe(first, second as CheckResult, this.nowMs);
        return;
      case CONTROL_TARGETS:
        handler.onTargetsChanged();
        return;
      default:
        assertNever(kind);
    }
  }

  private drainLane(lane: CoordinatorLane, handler: CoordinatorHandler): number {
    const generation = this.status.generationOf(lane.index);
    let count = 0;
    try {
      for (; count < LANE_BATCH_MAX; count += 1) {
        const base = lane.requests.next();
        if (base === NO_SLOT) break;
        this.handleSlot(lane, base, generation, handler);
      }
    } finally {
      // Replies are published first: after a crash between the two steps an ask is seen twice
      // rather than never. A slot whose handler threw is given back as well, or every next
      // coordinator would fail at it.
      this.publishReplies(lane);
      lane.requests.release();
    }
    if (count > 0) lane.isFirstBatch = false;
    return count;
  }

  private handleSlot(
    lane: CoordinatorLane,
    base: number,
    generation: number,
    handler: CoordinatorHandler,
  ): void {
    const words = lane.requests.words;
    if (words[base] === SLOT_TELL) {
      this.tell.bind(words, base);
      const { inFlightTicket, targetIndex } = this.tell;
      if (inFlightTicket !== 0) handler.onInFlightEnd(inFlightTicket, this.tell, this.nowMs);
      if (targetIndex >= 0) handler.onTell(lane.index, this.tell, this.nowMs);
      return;
    }
    if (words[base] === SLOT_RETURN) {
      this.rest.bind(words, base);
      handler.onReturn(lane.index, this.rest, this.nowMs);
      return;
    }
    this.ask.bind(words, base);
    if (words[base] === SLOT_ABANDON) {
      handler.onAbandon(lane.index, this.ask, this.nowMs);
      return;
    }
    assert(words[base] === SLOT_ASK, 'the kind of a request slot is known');
    if (this.ask.generation !== generation) {
      this.status.count(STALE_ASKS, 1);
      return;
    }
    if (lane.isFirstBatch) {
      if (lane.answered.has(this.ask.askId)) return;
      handler.onSeenAgain(lane.index, this.ask, this.nowMs);
    }
    // This comes before the decision: an ask that cannot be answered must not use up a limit.
    if (!lane.replies.hasRoom()) {
      this.status.count(UNANSWERED_ASKS, 1);
      return;
    }
    this.reply.clear();
    if (!handler.onAsk(lane.index, this.ask, this.reply, this.nowMs)) return;
    writeReply(lane.replies.words, lane.replies.claim(), this.ask, this.reply);
  }

  /**
   * Whether an ask from earlier can be answered: to be asked before the decision, since what cannot
   * be answered must not use up a limit. False: its worker is gone, or does not read replies.
   */
  canReplyLate(lane: number, ask: AskView): boolean {
    if (ask.generation !== this.status.generationOf(lane)) return false;
    if (this.laneAt(lane).replies.hasRoom()) return true;
    this.status.count(UNANSWERED_ASKS, 1);
    return false;
  }

  /** Answers an ask from earlier; the reply is published in the next {@link drain}. */
  replyLate(lane: number, ask: AskView, reply: ReplyFields): void {
    const { replies } = this.laneAt(lane);
    writeReply(replies.words, replies.claim(), ask, reply);
  }

  private laneAt(lane: number): CoordinatorLane {
    return defined(this.lanes[lane], 'the lane of an ask');
  }

  private publishReplies(lane: CoordinatorLane): void {
    if (!lane.replies.publish() || !lane.replies.takeParked()) return;
    lane.wakePort?.postMessage(0);
  }
}

/**
 * Replies are published before the batch is given back, so all asks of the batch may be seen again.
 */
function answeredAsks(replies: SlotRingProducer, generation: number): Set<number> {
  const answered = new Set<number>();
  const view = new ReplyView();
  for (const base of replies.lastPublished(LANE_BATCH_MAX)) {
    view.bind(replies.words, base);
    if (view.generation === generation) answered.add(view.askId);
  }
  return answered;
}
