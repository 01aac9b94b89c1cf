/**
 * The phase that asks whether a request may go on: by its limits, and to a target where its answer
 * needs one.
 *
 * Thread: worker. At once under a grant, which is the usual case under load; else the exchange
 * waits for the coordinator. Says what is to be done and leaves it to the pipeline to do it.
 */
import { assertNever } from '../../base/assert.js';
import { RETRY_SOON } from '../../base/problem-reply.js';
import { PROBLEMS } from '../../base/problems.js';
import {
  type RefusingVerdict,
  type ReplyView,
  VERDICT_ADMITTED,
  VERDICT_CIRCUIT_OPEN,
  VERDICT_NO_HEALTHY_TARGET,
  VERDICT_NONE,
  VERDICT_RATE_LIMITED,
} from '../../channel/coordinator/coordinator-records.js';
import { type LocalReply, refusal } from '../../filters/local-reply.js';
import type { DeadlineWheel } from '../exchange/deadline-wheel.js';
import { admissionOf, type Exchange, routeOf } from '../exchange/exchange.js';
import { retryAfterField } from '../route/rate-limit-fields.js';
import type { AdmissionPlan, RouteSides, WorkerRoute } from '../route/worker-route.js';
import type { ExchangeMetrics } from '../telemetry/exchange-metrics.js';
import type { AdmissionGate } from './admission-gate.js';
import {
  ASK_ADMITTED,
  ASK_CLOSED,
  ASK_LIMITED,
  ASK_OPEN,
  ASK_PENDING,
  ASK_REFUSED,
  ASK_WAIT_MS,
  type CoordinatorClient,
} from './coordinator-client.js';
import type { HeldRefusals } from './held-refusals.js';
import { type ShareSource, sideOf } from './route-side.js';
import { detailOfVerdict, problemOfVerdict } from './verdict-problem.js';

export type AdmissionOutcome = 'next' | LocalReply;

/** What is shed here. */
export const OVERLOADED = refusal(PROBLEMS.overloaded, 'Too many requests are in flight.', {
  fields: RETRY_SOON,
});
const COORDINATOR_LOST = refusal(PROBLEMS.coordinatorLost, 'No decision came in time.', {
  fields: RETRY_SOON,
});

/** Chooses for plugins; null: nobody has chosen. */
export interface SideChooser {
  chosenSide(exchange: Exchange, sides: RouteSides): WorkerRoute | null;
}

export interface AdmissionParts {
  readonly gate: AdmissionGate;
  readonly coordinator: CoordinatorClient;
  readonly refusals: Pick<HeldRefusals, 'offer'>;
  readonly ledger: ExchangeMetrics;
  readonly wheel: DeadlineWheel;
  readonly rollouts: ShareSource;
  readonly plugins: SideChooser;
  nowMs(): number;
  /** Something was asked: publish it at the end of this turn. */
  touch(): void;
}

export class AdmissionPhase {
  constructor(private readonly parts: AdmissionParts) {}

  /** Limits that count a request whoever sends it, before that is found out. */
  runFirst(exchange: Exchange): AdmissionOutcome | 'wait' {
    const { firstAdmission } = routeOf(exchange);
    return firstAdmission.isNeeded
      ? this.ask(exchange, firstAdmission, this.parts.nowMs())
      : 'next';
  }

  // Hot path (bench/gateway/full-pipeline): every request, except on routes with neither limits nor
  // a target.
  run(exchange: Exchange): AdmissionOutcome | 'wait' {
    const { sides } = routeOf(exchange);
    if (sides !== null) {
      const chosen = this.parts.plugins.chosenSide(exchange, sides);
      exchange.takeSide(chosen ?? sideOf(exchange, sides, this.parts.rollouts));
    }
    const route = routeOf(exchange);
    const plan = admissionOf(exchange);
    if (!plan.isNeeded) return 'next';
    const nowMs = this.parts.nowMs();
    if (!this.parts.gate.tryEnter(exchange, route, nowMs)) return OVERLOADED;
    return this.ask(exchange, plan, nowMs);
  }

  private ask(exchange: Exchange, plan: AdmissionPlan, nowMs: number): AdmissionOutcome | 'wait' {
    const { coordinator, ledger } = this.parts;
    const asked = coordinator.askAdmission(exchange, plan, nowMs);
    switch (asked) {
      case ASK_ADMITTED:
        ledger.countGranted(exchange, nowMs);
        return 'next';
      case ASK_OPEN:
        ledger.countOpen();
        return 'next';
      case ASK_LIMITED:
        ledger.countRefusedAgain(exchange, nowMs);
        this.parts.refusals.offer(exchange, plan, coordinator.sameUntilMs);
        return refusalBy(VERDICT_RATE_LIMITED, coordinator.retryAfterMs);
      case ASK_CLOSED:
        return COORDINATOR_LOST;
      case ASK_REFUSED:
        return OVERLOADED;
      case ASK_PENDING:
        ledger.countAsk(exchange, nowMs);
        this.parts.wheel.set(exchange.deadline, nowMs + ASK_WAIT_MS);
        this.parts.touch();
        return 'wait';
      default:
        return assertNever(asked);
    }
  }

  /** The coordinator has answered the ask that an exchange waits for. */
  onVerdict({ verdict, retryAfterMs }: ReplyView): AdmissionOutcome {
    switch (verdict) {
      case VERDICT_ADMITTED:
        return 'next';
      case VERDICT_RATE_LIMITED:
      case VERDICT_CIRCUIT_OPEN:
      case VERDICT_NO_HEALTHY_TARGET:
        return refusalBy(verdict, retryAfterMs);
      case VERDICT_NONE:
        return refusal(PROBLEMS.internal, 'The request failed because of an error in the gateway.');
      default:
        return assertNever(verdict);
    }
  }

  /**
   * No decision came in time: the route says what becomes of the request. Without a limit there is
   * nothing that too many could get: it goes on.
   */
  onDeadline(exchange: Exchange): AdmissionOutcome {
    const { coordinator, ledger } = this.parts;
    const { config, firstAdmission } = routeOf(exchange);
    const plan = exchange.admission.asksFirst ? firstAdmission : admissionOf(exchange);
    coordinator.abandon(exchange);
    ledger.countAskTimeout();
    const mayGoOn = config.onCoordinatorLost === 'open' || plan.limiters.length === 0;
    if (!mayGoOn || coordinator.admitOpen(exchange, plan) !== ASK_OPEN) return COORDINATOR_LOST;
    ledger.countOpen();
    return 'next';
  }

  /** The exchange has become a stream, or a tunnel. */
  onStream(exchange: Exchange, nowMs: number): void {
    this.parts.gate.leave(exchange, nowMs);
  }

  /** The exchange is over, and waits for no verdict: what it holds goes back, once. */
  end(exchange: Exchange, nowMs: number): void {
    const { coordinator, gate } = this.parts;
    coordinator.endInFlight(exchange);
    coordinator.giveBack(exchange);
    gate.leave(exchange, nowMs);
  }
}

function refusalBy(verdict: RefusingVerdict, retryAfterMs: number): LocalReply {
  const fields = retryAfterField(retryAfterMs);
  return refusal(problemOfVerdict(verdict), detailOfVerdict(verdict), { fields });
}
