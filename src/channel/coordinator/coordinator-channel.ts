/**
 * Asks, replies and tells between the workers and the coordinator: a worker's end.
 *
 * Thread: any (both ends). Each end owns its side of the rings and nothing else; the coordinator's
 * end is in coordinator-end.ts.
 *
 *     worker k                                             coordinator
 *     ask, tellOutcome, flush ══ requests of lane k ══►    onAsk, onTell
 *     drainReplies            ◄══ replies of lane k ══     (published lane by lane)
 *                             ◄·· MessagePort, only if the worker sleeps
 *     main: CoordinatorControl ══ control ══►              onWorkerLost, onProbe, onMail, onStop
 *
 * A slot names the generation of its worker. The coordinator skips asks of an earlier generation,
 * and the worker skips replies to them, so the rings need no reset when a worker is replaced. Tells
 * of any generation count: what a target did stays true, and a ticket that was given back already
 * is not found again.
 *
 * A coordinator that is started again may see slots twice. It skips asks that have their reply. An
 * ask whose reply was never published may use up more of a limit, never less.
 */
import { assert } from '../../base/assert.js';
import { ASKS_PENDING_MAX, type CoordinatorLaneMemory } from './coordinator-memory.js';
import {
  type AskFields,
  NO_TARGET,
  OUTCOME_CANCELLED,
  OUTCOME_MASK,
  OUTCOME_SUCCESS,
  ReplyView,
  type TellFields,
  VERDICT_ADMITTED,
  writeAbandon,
  writeAsk,
  writeTell,
} from './coordinator-records.js';
import { CoordinatorStatus } from './coordinator-status.js';
import { type ReturnFields, writeReturn } from './key-grant-returns.js';
import { LimitCounts, limitCounter } from './limit-counts.js';
import { NO_SLOT, SlotRingConsumer, SlotRingProducer } from './slot-ring.js';
import { TargetLoadWriter } from './target-loads.js';
import { TargetSlotView } from './target-slots.js';
import { TargetStateView } from './target-states.js';
import type { TellCosts } from './tell-costs.js';
import { TellQueue } from './tell-queue.js';
import { UpstreamStandings } from './upstream-standings.js';

const REFUSED = limitCounter('refused');

/** The worker's end calls this for each reply; the view is valid only inside the call. */
export interface ReplyHandler {
  /**
   * False: the ask is not known any more (the worker gave up on it), and its ticket is given back
   * at once.
   */
  onReply(reply: ReplyView): boolean;
}

/**
 * The end of one worker. Hot path, watched by bench/channel/coordinator-round-trip: one ask or tell
 * for a request.
 */
export class CoordinatorWorkerEnd {
  readonly generation: number;
  private readonly lane: number;
  readonly targets: TargetStateView;
  readonly standings: UpstreamStandings;
  readonly slots: TargetSlotView;
  private readonly requests: SlotRingProducer;
  private readonly replies: SlotRingConsumer;
  private readonly status: CoordinatorStatus;
  private readonly loads: TargetLoadWriter;
  private readonly limitCounts: LimitCounts;
  private readonly queue = new TellQueue();
  private readonly reply = new ReplyView();
  private readonly told: TellFields = {
    targetIndex: 0,
    ticket: 0,
    outcome: 0,
    upstreamIndex: 0,
    inFlightTicket: 0,
    costs: null,
  };
  /**
   * For each target the flush in which its last tell was a plain success; -1: the last tell was
   * another.
   */
  private readonly successFlush: Int32Array;
  private flushes = 0;
  private returns = 0;
  private pending = 0;
  private mustWake = false;
  private isDraining = false;

  constructor(memory: CoordinatorLaneMemory) {
    this.status = new CoordinatorStatus(memory.status);
    this.generation = this.status.generationOf(memory.lane);
    this.targets = new TargetStateView(memory.targets);
    this.standings = new UpstreamStandings(memory.standings);
    this.slots = new TargetSlotView(memory.slots);
    const { lane, loads } = memory;
    this.lane = lane;
    this.loads = new TargetLoadWriter(loads, this.targets.targetCountMax, lane, this.generation);
    this.limitCounts = new LimitCounts(memory.limitCounts);
    this.requests = new SlotRingProducer(memory.rings.requests);
    this.replies = new SlotRingConsumer(memory.rings.replies);
    this.successFlush = new Int32Array(this.targets.targetCountMax).fill(-1);
    this.replies.skipAll();
    this.replies.park();
  }

  /** Asks without a reply that were not abandoned. */
  get pendingAsks(): number {
    return this.pending;
  }

  /** Plain tells that were dropped because the coordinator was down for long. */
  get droppedTells(): number {
    return this.queue.dropped;
  }

  /**
   * Writes the ask, which is visible after a flush. False: there is no room, and the caller sheds.
   */
  ask(ask: AskFields): boolean {
    if (this.pending >= ASKS_PENDING_MAX) return false;
    const base = this.requests.claim();
    if (base === NO_SLOT) return false;
    writeAsk(this.requests.words, base, this.generation, ask);
    this.pending += 1;
    this.mustWake = true;
    return true;
  }

  /**
   * The caller gave up on an ask: its late reply will be refused by the handler. A coordinator that
   * answers some asks of this lane later is told, so that it does not count the request; without
   * room it is not, and what comes of the ask is given back.
   */
  abandonAsk(ask: Pick<AskFields, 'askId' | 'upstreamIndex'>): void {
    assert(this.pending > 0, 'only a pending ask is abandoned');
    this.pending -= 1;
    if (this.status.deferredOf(this.lane) === 0) return;
    const base = this.requests.claim();
    if (base !== NO_SLOT) writeAbandon(this.requests.words, base, this.generation, ask);
  }

  /**
   * Counts a refusal that the worker made by an earlier verdict: nobody asks the coordinator about
   * it.
   */
  countRefusal(limiterIndex: number): void {
    this.limitCounts.count(limiterIndex, REFUSED, 1);
  }

  /** A try begins under a grant. Its outcome must be told like that of a try that was asked for. */
  beginGranted(targetIndex: number): void {
    this.loads.beginGranted(targetIndex);
  }

  /** Tells the outcome of an admitted try, once for each. Visible after a flush. */
  tellOutcome(targetIndex: number, ticket: number, outcome: number, upstreamIndex: number): void {
    const { told } = this;
    told.targetIndex = targetIndex;
    told.ticket = ticket;
    told.outcome = outcome;
    told.upstreamIndex = upstreamIndex;
    told.inFlightTicket = 0;
    told.costs = null;
    this.tell(told);
  }

  /** {@link tellOutcome} with all fields of a tell. The fields are copied. */
  tell(tell: TellFields): void {
    const { targetIndex, outcome } = tell;
    assert(targetIndex >= 0 && targetIndex < this.successFlush.length, 'the target is known');
    const kind = outcome & OUTCOME_MASK;
    assert(kind >= OUTCOME_SUCCESS && kind <= OUTCOME_CANCELLED, 'the outcome is known');
    this.loads.end(targetIndex, kind === OUTCOME_SUCCESS);
    const isPlain = tell.ticket === 0 && tell.inFlightTicket === 0;
    if (isPlain && outcome === OUTCOME_CANCELLED) return;
    const isPlainSuccess = isPlain && outcome === OUTCOME_SUCCESS;
    // The coordinator reads a whole flush at once: of several successes in a row the first says
    // everything.
    if (isPlainSuccess && this.successFlush[targetIndex] === this.flushes) return;
    this.successFlush[targetIndex] = isPlainSuccess ? this.flushes : -1;
    if (!isPlainSuccess) this.mustWake = true;
    if (this.queue.length > 0 || !this.writeTell(tell)) this.queue.push(tell);
  }

  /**
   * The request that held this place has ended, and has cost that much; null: nothing. Visible
   * after a flush.
   */
  tellInFlightEnd(ticket: number, costs: TellCosts | null = null): void {
    assert(ticket !== 0, 'only a request that holds a place gives it back');
    const { told } = this;
    told.targetIndex = NO_TARGET;
    told.ticket = 0;
    told.outcome = OUTCOME_CANCELLED;
    told.upstreamIndex = 0;
    told.inFlightTicket = ticket;
    told.costs = costs;
    this.mustWake = true;
    if (this.queue.length > 0 || !this.writeTell(told)) this.queue.push(told);
  }

  /**
   * Gives back the rest of a key grant. Without room the rest is dropped: the admissions then come
   * back by themselves when the grant ends.
   */
  giveBackKeyGrant(rest: ReturnFields): void {
    const base = this.requests.claim();
    if (base === NO_SLOT) return;
    this.returns += 1;
    const { generation } = this;
    writeReturn(this.requests.words, base, { generation, serial: this.returns }, rest);
  }

  /** Whether no coordinator runs, or the coordinator has been silent for too long. */
  isCoordinatorLost(nowMs: number): boolean {
    return this.status.isLost(nowMs);
  }

  /**
   * Makes asks and tells visible, and wakes the coordinator if it sleeps and something waits for
   * it. Plain successes wait until the coordinator wakes by itself. True: some tells found no room,
   * and the caller should flush again soon.
   */
  flush(): boolean {
    while (this.queue.length > 0 && this.requests.hasRoom()) {
      this.queue.shiftInto(this.told);
      this.writeTell(this.told);
    }
    if (this.requests.publish()) this.flushes = (this.flushes + 1) & 0x7fffffff;
    const isHalfFull = this.requests.countUsed() * 2 >= this.requests.slotCount;
    if (this.mustWake || isHalfFull) this.status.wakeCoordinator();
    this.mustWake = false;
    return this.queue.length > 0;
  }

  /**
   * Calls the handler for every reply until none is left and the next reply would wake this worker.
   * Returns the number of replies without those of an earlier generation.
   */
  drainReplies(handler: ReplyHandler): number {
    assert(!this.isDraining, 'a reply handler does not drain replies');
    this.isDraining = true;
    let count = 0;
    try {
      do {
        count += this.drainPublished(handler);
      } while (!this.replies.park());
    } finally {
      this.isDraining = false;
    }
    return count;
  }

  private drainPublished(handler: ReplyHandler): number {
    let count = 0;
    let isGivenBack = false;
    try {
      for (let base = this.replies.next(); base !== NO_SLOT; base = this.replies.next()) {
        this.reply.bind(this.replies.words, base);
        if (this.reply.generation !== this.generation) continue;
        count += 1;
        const { verdict, targetIndex } = this.reply;
        if (verdict === VERDICT_ADMITTED && targetIndex !== NO_TARGET) {
          this.loads.beginAnswered(targetIndex);
        }
        if (handler.onReply(this.reply)) this.pending -= 1;
        else isGivenBack = this.giveBack() || isGivenBack;
      }
    } finally {
      this.replies.release();
    }
    if (isGivenBack) this.flush();
    return count;
  }

  private giveBack(): boolean {
    const { reply, told } = this;
    if (reply.verdict !== VERDICT_ADMITTED) return false;
    if (reply.targetIndex === NO_TARGET) {
      if (reply.inFlightTicket === 0) return false;
      this.tellInFlightEnd(reply.inFlightTicket);
      return true;
    }
    told.targetIndex = reply.targetIndex;
    told.ticket = reply.ticket;
    told.outcome = OUTCOME_CANCELLED;
    told.upstreamIndex = reply.upstreamIndex;
    told.inFlightTicket = reply.inFlightTicket;
    told.costs = null;
    this.tell(told);
    return reply.ticket !== 0 || reply.inFlightTicket !== 0;
  }

  private writeTell(tell: TellFields): boolean {
    const base = this.requests.claim();
    if (base === NO_SLOT) return false;
    writeTell(this.requests.words, base, this.generation, tell);
    return true;
  }
}
