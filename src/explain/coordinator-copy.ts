/**
 * A private coordinator, which decides as the real one would and changes nothing outside.
 *
 * Thread: supervisor (on the main thread). Owns copies of the tables, and of the rows of the
 * request's keys; the code that decides is the coordinator's own, so that an explanation cannot
 * differ from what happens.
 */
import { defined } from '../base/assert.js';
import { type CoordinatorMemory, copyTables } from '../channel/coordinator/coordinator-memory.js';
import {
  type AskFields,
  AskView,
  ReplyFields,
  VERDICT_ADMITTED,
  writeAsk,
} from '../channel/coordinator/coordinator-records.js';
import { CoordinatorStatus } from '../channel/coordinator/coordinator-status.js';
import { TargetLoadView } from '../channel/coordinator/target-loads.js';
import { TargetSlotView } from '../channel/coordinator/target-slots.js';
import { TargetStateView } from '../channel/coordinator/target-states.js';
import type { CompiledLimiter } from '../config/compiled-config.js';
import type { UnitedConfig } from '../config/shared/unite-configs.js';
import { Coordinator } from '../coordinator/coordinator.js';
import { allocateCoordinatorMemory } from '../coordinator/coordinator-setup.js';
import { createLimiter, rowWordsOf } from '../coordinator/limiters.js';
import type { HeldCounts } from '../coordinator/reserved-limiter.js';
import { ALL_UNKNOWN } from '../coordinator/reserves.js';
import {
  COMPACT_ROW_WORDS,
  LARGE_ROW_WORDS,
  WIDE_ROW_WORDS,
} from '../coordinator/state/bucket-layout.js';
import { BucketTable, NO_ROW } from '../coordinator/state/bucket-table.js';
import { InFlightTickets } from '../coordinator/state/in-flight-tickets.js';
import { RateDecision } from '../policy/rate-limit/rate-decision.js';

/** Enough for the keys of a few asks: a table of the real size would be large. */
const TRACKED_KEYS = 1024;
const ASK_WORDS = 32;
const KEYS_OF_REQUEST_MAX = 4;

/** A limit and the key that a request counts by. */
export interface LimitKey {
  readonly limiter: CompiledLimiter;
  readonly high: number;
  readonly low: number;
}

/** What is left of a limit for a key. */
export interface LimitStanding {
  readonly hasRoom: boolean;
  readonly remaining: number;
  /** Until the whole limit is available again. */
  readonly resetMs: number;
  /** 0: there is room. */
  readonly retryAfterMs: number;
}

/** By the size of their rows. */
type Tables = ReadonlyMap<number, BucketTable>;

export class CoordinatorCopy {
  readonly targets: TargetStateView;
  readonly loads: TargetLoadView;
  readonly slots: TargetSlotView;
  private readonly memory: CoordinatorMemory;
  private readonly tables: Tables;
  private readonly coordinator: Coordinator;
  private readonly words = new Int32Array(ASK_WORDS);

  /**
   * `live`: the memory of the running coordinator, from which the rows of `keys` are copied; null:
   * explain as if no request had come yet.
   */
  constructor(config: UnitedConfig, live: CoordinatorMemory | null, keys: readonly LimitKey[]) {
    const limits = { ...config.limits, trackedClients: TRACKED_KEYS };
    this.memory = allocateCoordinatorMemory({ ...config, limits });
    this.tables = tablesOf(this.memory);
    if (live !== null) {
      copyTables(live, this.memory);
      for (const key of keys) copyRow(key, tablesOf(live), this.tables);
    }
    const ignore = (): void => {};
    this.coordinator = new Coordinator(config, this.memory, {
      onBreakerTransition: ignore,
      onHealthTransition: ignore,
      onMail: ignore,
      onStop: ignore,
    });
    this.targets = new TargetStateView(this.memory.targets);
    this.slots = new TargetSlotView(this.memory.slots);
    const status = new CoordinatorStatus(this.memory.status);
    this.loads = new TargetLoadView(this.memory.loads, config.capacity.targets, status);
  }

  /** What is left for the key now. Uses up nothing. */
  standingOf({ limiter, high, low }: LimitKey, nowMs: number): LimitStanding {
    if (limiter.algorithm === 'inFlight') return this.placesOf(limiter, high, low);
    const table = tableOf(limiter, this.tables);
    const rule = createLimiter(limiter, table, this.ticketCounts());
    const decision = new RateDecision();
    table.setKey(limiter.keySpace, high, low);
    const row = table.find();
    if (row === NO_ROW) rule.describeUnused(decision, high, low);
    else rule.peek(table.baseOf(row), nowMs, decision);
    const hasRoom = decision.admitted;
    const { remaining, resetMs, retryAfterMs } = decision;
    return { hasRoom, remaining, resetMs, retryAfterMs: hasRoom ? 0 : retryAfterMs };
  }

  private placesOf({ index, limit }: CompiledLimiter, high: number, low: number): LimitStanding {
    const remaining = Math.max(0, limit - this.ticketCounts().countOf(index, high, low));
    return { hasRoom: remaining > 0, remaining, resetMs: 0, retryAfterMs: 0 };
  }

  private ticketCounts(): HeldCounts {
    return new InFlightTickets(this.memory.inFlight, KEYS_OF_REQUEST_MAX).counts;
  }

  /** Makes an earlier request that ended well; false: it was refused. */
  askAndEnd(fields: AskFields, nowMs: number): boolean {
    const reply = this.ask(fields, nowMs);
    if (reply.inFlightTicket !== 0) {
      this.coordinator.onInFlightEnd(reply.inFlightTicket, ALL_UNKNOWN, nowMs);
    }
    return reply.verdict === VERDICT_ADMITTED;
  }

  /** Asks as a worker does. Uses up, in the copy, what the real coordinator would use up. */
  ask(fields: AskFields, nowMs: number): ReplyFields {
    const view = new AskView();
    writeAsk(this.words, 0, 1, fields);
    view.bind(this.words, 0);
    const reply = new ReplyFields();
    this.coordinator.onTick(nowMs);
    this.coordinator.onAsk(0, view, reply, nowMs);
    return reply;
  }
}

function tablesOf(memory: CoordinatorMemory): Tables {
  return new Map([
    [COMPACT_ROW_WORDS, new BucketTable(memory.compactBuckets, COMPACT_ROW_WORDS)],
    [WIDE_ROW_WORDS, new BucketTable(memory.wideBuckets, WIDE_ROW_WORDS)],
    [LARGE_ROW_WORDS, new BucketTable(memory.largeBuckets, LARGE_ROW_WORDS)],
  ]);
}

function tableOf(limiter: CompiledLimiter, tables: Tables): BucketTable {
  return defined(tables.get(rowWordsOf(limiter)), 'the table of a limiter');
}

/** Copies the key's row as it is now; a key without a row has used up nothing. */
function copyRow({ limiter, high, low }: LimitKey, from: Tables, to: Tables): void {
  if (limiter.algorithm === 'inFlight') return;
  const [source, target] = [tableOf(limiter, from), tableOf(limiter, to)];
  source.setKey(limiter.keySpace, high, low);
  const row = source.find();
  if (row === NO_ROW) return;
  target.setKey(limiter.keySpace, high, low);
  // The copy is empty, so it has a free row, and no row needs to be measured.
  const place = target.locate({ measureUsedShare: () => 0, retryAfterMs: 0 }, 0);
  const [base, at] = [source.baseOf(row), target.baseOf(place)];
  target.install(place, () => {
    target.views.words.set(source.views.words.slice(base, base + source.rowWords), at);
  });
}
