/**
 * Refusals by a limit that the acceptor may give again by itself, and what it says that it has
 * given again.
 *
 * Thread: worker. Owns a table of a fixed size. A refusal may be given again where it follows from
 * the bytes of the head, the connection and the limit alone, so that this worker would say the same
 * for as long: no body, nobody identified, nothing that is drawn by chance, no filter, plugin or
 * stage that sees the request or the reply, and nothing that looks at requests one by one.
 *
 * Invariants: what is counted of a repeat, and its access record, is what this worker would count
 * and write had it refused the request itself. A refusal stays in the table until no repeat of it
 * can come any more: those that were made before a head was read are in the lane before that head.
 */

import { defined } from '../../base/assert.js';
import { idOf } from '../../base/request-id.js';
import type { LaneEnd } from '../../channel/lane.js';
import { PRESSURE_FULL } from '../../channel/lane-status.js';
import {
  NO_ID_NUMBER,
  repeatCount,
  repeatDurationMs,
  repeatHeadNumber,
  repeatIdNumber,
  repeatIdPrefix,
  writeHold,
} from '../../channel/records/repeat-records.js';
import { ANYBODY, type Exchange, type ExchangeEpoch, routeOf } from '../exchange/exchange.js';
import type { AdmissionPlan, WorkerRoute } from '../route/worker-route.js';
import type { ExchangeMetrics } from '../telemetry/exchange-metrics.js';

/** Refusals that are held at a time; a power of two. */
const HELD_MAX = 1024;

interface HeldRefusal {
  readonly headNumber: number;
  readonly untilMs: number;
  /** The one that was refused. It is over, and stands for all repeats of it. */
  readonly exchange: Exchange;
  readonly limiterIndex: number;
}

export interface HeldRefusalParts {
  readonly lane: Pick<LaneEnd, 'producer' | 'consumer' | 'status'>;
  readonly ledger: Pick<ExchangeMetrics, 'looksClosely' | 'countRepeat'>;
  /** Counts a refusal for the limit of this row. */
  countRefusal(limiterIndex: number): void;
  /** Lines are lost soon: refusals are to come no faster than this thread gives them. */
  isLogBehind(): boolean;
  nowMs(): number;
}

export class HeldRefusals {
  private readonly held = new Array<HeldRefusal | null>(HELD_MAX).fill(null);
  private round = 0;

  constructor(private readonly parts: HeldRefusalParts) {}

  /** Nothing that was refused before may be refused again without asking here. */
  forget(): void {
    this.round = (this.round + 1) | 0;
    this.parts.lane.status.setRefusalRound(this.round);
  }

  /** The acceptor is another. */
  beginLane(): void {
    this.held.fill(null);
    this.forget();
  }

  /** Nothing is left of this epoch: for much longer than a refusal holds there was no exchange. */
  release(epoch: ExchangeEpoch): void {
    for (const [place, held] of this.held.entries()) {
      if (held?.exchange.epoch === epoch) this.held[place] = null;
    }
  }

  // Hot path (bench/gateway/refused-by-limit): once for every refusal that a worker repeats.
  /**
   * Says of the exchange, which the limit of this plan refuses and whose reply goes out next, that
   * the same head is to get the same reply before `untilMs`; if that is so.
   */
  offer(exchange: Exchange, plan: AdmissionPlan, untilMs: number): void {
    const { known } = exchange;
    if (known === null || !this.mayRepeat(exchange, plan)) return;
    const headNumber = known.number;
    const place = headNumber & (HELD_MAX - 1);
    const other = this.held[place] ?? null;
    const isFree = other === null || other.headNumber === headNumber;
    if (!isFree && exchange.receivedMs <= other.untilMs) return;
    const { index: limiterIndex } = defined(plan.limiters[0], 'the limit of a route');
    this.held[place] = { headNumber, untilMs, exchange, limiterIndex };
    const hasNewId = known.routed?.keptId !== exchange.head.requestId;
    const { config: route } = routeOf(exchange);
    const { clientIp } = exchange.head;
    const hold = { headNumber, untilMs, round: this.round, hasNewId, route, clientIp };
    writeHold(this.parts.lane.producer, exchange.index, exchange.generation, hold);
  }

  private mayRepeat(exchange: Exchange, plan: AdmissionPlan): boolean {
    const { known, upload } = exchange;
    const { errorPages, matcher } = defined(exchange.epoch, 'the epoch of an exchange');
    if (errorPages !== null || known?.routed?.matcher !== matcher) return false;
    if (upload.bodyBytes !== 0 || exchange.wantsTunnel || exchange.grpc !== null) return false;
    const { ledger, isLogBehind } = this.parts;
    if (exchange.identity !== ANYBODY || ledger.looksClosely || isLogBehind()) return false;
    const route = routeOf(exchange);
    return isPlain(route) && (plan.isFirst || isOpen(route));
  }

  /** Counts what the record of the lane says that was given again. */
  onRepeats(): void {
    const { lane, ledger, countRefusal } = this.parts;
    const { consumer } = lane;
    const nowMs = this.parts.nowMs();
    const count = repeatCount(consumer);
    const prefix = repeatIdPrefix(consumer);
    let lost = 0;
    for (let place = 0; place < count; place += 1) {
      const headNumber = repeatHeadNumber(consumer, place);
      const held = this.held[headNumber & (HELD_MAX - 1)] ?? null;
      if (held === null || held.headNumber !== headNumber) {
        lost += 1;
        continue;
      }
      const { exchange, limiterIndex } = held;
      const number = repeatIdNumber(consumer, place);
      const requestId = number === NO_ID_NUMBER ? exchange.head.requestId : idOf(prefix, number);
      countRefusal(limiterIndex);
      ledger.countRepeat(exchange, requestId, repeatDurationMs(consumer, place), nowMs);
    }
    if (lost > 0) throw new Error(`${lost} repeated refusals of heads that are not known`);
  }
}

/** Nothing of the route sees its requests before its limits, or its refusals behind them. */
function isPlain(route: WorkerRoute): boolean {
  const { config, filters, plugins, replyStages, measured, shownBodies } = route;
  if (config.faults !== undefined || plugins !== null || replyStages.length > 0) return false;
  return filters.entrySteps.length === 0 && measured === null && shownBodies === null;
}

/** No request of the route is shed before its limits are asked. */
function isOpen({ upstream, config }: WorkerRoute): boolean {
  if (upstream === null) return true;
  return config.shareMax >= PRESSURE_FULL && upstream.adaptiveConcurrency === null;
}
