/**
 * One configuration as a gateway would decide under it, on a clock that the caller turns.
 *
 * Thread: supervisor (on the main thread). Owns a coordinator with tables of its own. The code that
 * serves judges paths, routes, filters, limits, breakers and balancing, in the order of the
 * pipeline. What a log does not hold cannot be judged: bodies, fields that are not recorded, and
 * credentials, in place of which the recorded caller is believed.
 */
import { assert, assertNever, defined } from '../base/assert.js';
import { HalfSipHash } from '../base/half-sip-hash.js';
import { PROBLEMS } from '../base/problems.js';
import { RequestIdSource } from '../base/request-id.js';
import {
  type AskFields,
  AskView,
  addLimit,
  createAskFields,
  NO_TARGET,
  NO_UPSTREAM,
  OUTCOME_5XX,
  OUTCOME_CANCELLED,
  OUTCOME_FAILURE,
  OUTCOME_MASK,
  OUTCOME_SUCCESS,
  ReplyFields,
  TellView,
  VERDICT_ADMITTED,
  VERDICT_NONE,
  writeAsk,
  writeTell,
} from '../channel/coordinator/coordinator-records.js';
import { TargetLoadWriter } from '../channel/coordinator/target-loads.js';
import { TargetSlotView } from '../channel/coordinator/target-slots.js';
import {
  PLAIN_CONNECTION,
  PROTOCOL_HTTP_1_1,
  secureConnection,
} from '../channel/records/request-head.js';
import type { CompiledUpstream } from '../config/compiled-config.js';
import { withImaginedTargets } from '../config/shared/imagined-targets.js';
import {
  openConfig,
  type ServedConfig,
  type SharedConfig,
} from '../config/shared/shared-config.js';
import { Coordinator } from '../coordinator/coordinator.js';
import { allocateCoordinatorMemory } from '../coordinator/coordinator-setup.js';
import { ALL_UNKNOWN } from '../coordinator/reserves.js';
import { sharesAt } from '../explain/rollout-shares.js';
import type { EditStep } from '../filters/filter.js';
import type { LocalReply } from '../filters/local-reply.js';
import { OFFLINE_AUTHENTICATORS } from '../supervisor/loading/offline-authenticators.js';
import { type ShareSource, sideOf } from '../worker/admission/route-side.js';
import { TargetPreference } from '../worker/admission/target-preference.js';
import { problemOfVerdict } from '../worker/admission/verdict-problem.js';
import { ANONYMOUS, admissionOf, Exchange } from '../worker/exchange/exchange.js';
import { limiterKey } from '../worker/exchange/limiter-keys.js';
import {
  PHASE_ANSWER,
  PHASE_EDIT,
  PHASE_ENTER,
  PHASE_FIRST_LIMIT,
  PHASE_IDENTIFY,
  PHASE_LIMIT,
  PHASE_REPLY,
  PHASE_ROUTE,
  PHASES,
  type Phase,
} from '../worker/exchange/phase.js';
import { enterCall } from '../worker/request/grpc-entry.js';
import { hideCredentials } from '../worker/request/hide-credentials.js';
import {
  type AdmissionPlan,
  pathForTarget,
  type WorkerRoute,
} from '../worker/route/worker-route.js';
import { outcomeOfStatus } from '../worker/tries/outcome-class.js';
import { WorkerEpoch } from '../worker/worker-epoch.js';
import { InOrder } from './in-order.js';
import type { RecordedRequest } from './recorded-request.js';

/** What would have become of a request. */
export interface Decision {
  /** `unknown`: the route asks who calls, and the log does not say. */
  readonly kind: 'forwarded' | 'answered' | 'refused' | 'unknown';
  /** Empty: no route takes it. */
  readonly route: string;
  /** Of the gateway's own answer; 0: it has none. */
  readonly status: number;
  /** Code of the refusal, or empty. */
  readonly code: string;
  /** Empty: no upstream. */
  readonly upstream: string;
  /** Path and query as a target would get them, or empty. */
  readonly target: string;
}

/** An admitted request, until its reply has gone out. */
interface Running {
  readonly upstream: CompiledUpstream | null;
  readonly targetIndex: number;
  readonly ticket: number;
  readonly inFlightTicket: number;
  readonly outcome: number;
}

/** Time begins later than any state could have been made. */
const BEGIN_MS = 3_600_000;
const SLOT_WORDS = 32;
/** More requests at once than a gateway holds: the one that would end first ends at once. */
const RUNNING_MAX = 100_000;
const HASH_KEY = [1, 2] as const;
const LANE = 0;
const GENERATION = 1;
const UNAUTHORIZED_STATUSES = [401, 403];

export class VirtualGateway {
  private readonly coordinator: Coordinator;
  private readonly loads: TargetLoadWriter;
  private readonly running = new InOrder<Running>();
  private readonly hash = new HalfSipHash(...HASH_KEY);
  private readonly ids = new RequestIdSource('replay');
  private readonly preference: TargetPreference;
  private readonly connection: string;
  /** A ramp counts as done: two versions are compared by what they come to. */
  private readonly shares: ShareSource;
  private readonly words = new Int32Array(SLOT_WORDS);
  private readonly ask = new AskView();
  private readonly tell = new TellView();
  private readonly reply = new ReplyFields();
  private readonly fields = createAskFields();
  private nowMs = BEGIN_MS;

  /** `unixMs`: the present of the log, for filters that go by the calendar. */
  static async create(config: SharedConfig, unixMs: () => number): Promise<VirtualGateway> {
    const settings = { ...config.settings, workers: 1 };
    const served = withImaginedTargets(openConfig({ ...config, settings }));
    const epoch = await WorkerEpoch.create(served, OFFLINE_AUTHENTICATORS, unixMs);
    return new VirtualGateway(served, epoch);
  }

  private constructor(
    private readonly config: ServedConfig,
    private readonly epoch: WorkerEpoch,
  ) {
    const memory = allocateCoordinatorMemory(config);
    this.shares = sharesAt('end', config);
    const ignore = (): void => {};
    this.coordinator = new Coordinator(config, memory, {
      onBreakerTransition: ignore,
      onHealthTransition: ignore,
      onMail: ignore,
      onStop: ignore,
    });
    const { targets } = config.capacity;
    this.loads = new TargetLoadWriter(memory.loads, targets, LANE, GENERATION);
    this.preference = new TargetPreference(config, this.hash, new TargetSlotView(memory.slots));
    const tls = config.listeners[0]?.tls ?? null;
    this.connection = tls === null ? PLAIN_CONNECTION : secureConnection('', '');
  }

  /** Decides about a request that comes `atMs` after the first one. Time never goes back. */
  decide(request: RecordedRequest, atMs: number): Decision {
    this.goTo(BEGIN_MS + atMs);
    const exchange = this.read(request);
    const reply = this.epoch.matcher.match(exchange);
    const { route } = exchange;
    if (reply !== null || route === null) return ofReply(reply, '');
    return this.judge(request, exchange);
  }

  private judge(request: RecordedRequest, exchange: Exchange): Decision {
    for (const phase of PHASES) {
      const decision = this.judgeIn(phase, request, exchange);
      if (decision !== null) return decision;
    }
    return answerOf(exchange, defined(exchange.route, 'a route'));
  }

  /** null: it goes on. */
  private judgeIn(phase: Phase, request: RecordedRequest, exchange: Exchange): Decision | null {
    const route = defined(exchange.route, 'a route');
    const { name } = route.config;
    switch (phase) {
      case PHASE_ENTER:
        return ofDenial(enter(exchange, route), name);
      case PHASE_FIRST_LIMIT:
        if (!route.firstAdmission.isNeeded) return null;
        return this.limit(request, exchange, route.firstAdmission);
      case PHASE_IDENTIFY:
        return identify(request, exchange, route);
      case PHASE_LIMIT:
        takeSide(exchange, route, this.shares);
        return this.limit(request, exchange, admissionOf(exchange));
      case PHASE_EDIT:
        if (route.hides !== null) hideCredentials(exchange, route.hides);
        if (!route.answer.isEdited) return null;
        return ofDenial(firstReply(route.filters.editSteps, exchange), name);
      case PHASE_ROUTE:
      case PHASE_ANSWER:
      case PHASE_REPLY:
        // The route was found before; what the target answered stands in the log.
        return null;
      default:
        return assertNever(phase);
    }
  }

  private limit(
    request: RecordedRequest,
    exchange: Exchange,
    plan: AdmissionPlan,
  ): Decision | null {
    const refused = this.admit(request, exchange, plan);
    if (refused === null) return null;
    const { name } = defined(exchange.route, 'a route').config;
    return { ...NOTHING, kind: 'refused', route: name, ...refused };
  }

  private read({ method, target, clientIp, host, fields }: RecordedRequest): Exchange {
    const named = host === '' ? [] : ['host', host];
    const record = {
      index: 0,
      generation: GENERATION,
      receivedMs: this.nowMs,
      bodyBytes: 0,
      isComplete: true,
      expectsContinue: false,
      wantsTunnel: false,
      protocol: PROTOCOL_HTTP_1_1,
      listener: this.config.listeners[0]?.index ?? 0,
      parts: [method, target, clientIp, this.connection, ...named, ...fields.flat()],
    };
    const head = this.epoch.matcher.readHead(record, this.ids);
    return new Exchange(record, head, this.epoch, NOTHING_DUE);
  }

  /** null: it goes on. */
  private admit(
    request: RecordedRequest,
    exchange: Exchange,
    { limiters, upstream }: AdmissionPlan,
  ): Pick<Decision, 'status' | 'code'> | null {
    if (limiters.length === 0 && upstream === null) return null;
    const { fields, reply, nowMs } = this;
    this.fillAsk(fields, exchange, upstream);
    for (const limiter of limiters) {
      this.hash.hash(limiterKey(exchange, limiter));
      addLimit(fields, limiter.index, this.hash.high, this.hash.low);
    }
    writeAsk(this.words, 0, GENERATION, fields);
    this.ask.bind(this.words, 0);
    reply.clear();
    this.coordinator.onAsk(LANE, this.ask, reply, nowMs);
    const { verdict, targetIndex, ticket, inFlightTicket } = reply;
    assert(verdict !== VERDICT_NONE, 'an ask has a verdict');
    if (verdict !== VERDICT_ADMITTED) {
      const { status, code } = problemOfVerdict(verdict);
      return { status, code };
    }
    if (targetIndex === NO_TARGET && inFlightTicket === 0) return null;
    if (targetIndex !== NO_TARGET) this.loads.beginAnswered(targetIndex);
    const outcome = outcomeOf(request, upstream);
    const running = { upstream, targetIndex, ticket, inFlightTicket, outcome };
    if (this.running.size >= RUNNING_MAX) this.settle(this.running.take());
    this.running.add(nowMs + request.durationMs, running);
    return null;
  }

  private fillAsk(fields: AskFields, exchange: Exchange, upstream: CompiledUpstream | null): void {
    if (upstream !== null) this.preference.look(exchange, upstream);
    fields.askId += 1;
    fields.routeIndex = defined(exchange.route, 'a route').config.index;
    fields.upstreamIndex = upstream === null ? NO_UPSTREAM : upstream.index;
    fields.balanceHash = exchange.admission.balanceHash;
    fields.preferredTarget = exchange.admission.preferredTarget;
    fields.limitCount = 0;
  }

  /** Ends what has ended by then. */
  private goTo(ms: number): void {
    const to = Math.max(this.nowMs, ms);
    while (this.running.firstTime <= to) {
      this.nowMs = Math.max(this.nowMs, this.running.firstTime);
      this.settle(this.running.take());
    }
    this.nowMs = to;
    this.coordinator.onTick(to);
  }

  private settle({ upstream, targetIndex, ticket, inFlightTicket, outcome }: Running): void {
    if (targetIndex === NO_TARGET || upstream === null) {
      this.coordinator.onInFlightEnd(inFlightTicket, ALL_UNKNOWN, this.nowMs);
      return;
    }
    this.loads.end(targetIndex, (outcome & OUTCOME_MASK) === OUTCOME_SUCCESS);
    if (inFlightTicket !== 0) {
      this.coordinator.onInFlightEnd(inFlightTicket, ALL_UNKNOWN, this.nowMs);
    }
    const rest = { inFlightTicket: 0, costs: null };
    const told = { targetIndex, ticket, outcome, upstreamIndex: upstream.index, ...rest };
    writeTell(this.words, 0, GENERATION, told);
    this.tell.bind(this.words, 0);
    this.coordinator.onTell(LANE, this.tell, this.nowMs);
  }
}

/** The request goes on with one of the sides, where the route has some. */
function takeSide(exchange: Exchange, { sides }: WorkerRoute, shares: ShareSource): void {
  if (sides !== null) exchange.takeSide(sideOf(exchange, sides, shares));
}

/** Of the handshakes of WebSockets a log has too little to be judged. */
function enter(exchange: Exchange, { filters, config }: WorkerRoute): LocalReply | null {
  const { grpc } = exchange;
  const isCall = grpc !== null && config.filters.grpcJson === undefined;
  const refused = isCall ? enterCall(exchange, grpc) : null;
  return refused ?? firstReply(filters.entrySteps, exchange);
}

const NOTHING_DUE = (): void => {};

const NOTHING: Decision = {
  kind: 'forwarded',
  route: '',
  status: 0,
  code: '',
  upstream: '',
  target: '',
};

function firstReply(steps: readonly EditStep[], exchange: Exchange): LocalReply | null {
  for (const step of steps) {
    const reply = step(exchange);
    if (reply !== null) return reply;
  }
  return null;
}

function ofDenial(reply: LocalReply | null, route: string): Decision | null {
  return reply === null ? null : ofReply(reply, route);
}

function ofReply(reply: LocalReply | null, route: string): Decision {
  if (reply === null) return { ...NOTHING, kind: 'refused', route };
  const { problem, status } = reply;
  if (problem === null) return { ...NOTHING, kind: 'answered', route, status };
  return { ...NOTHING, kind: 'refused', route, status, code: problem.code };
}

/** null: it is known who calls, or that nobody has to be. */
function identify(
  { consumer, status, code }: RecordedRequest,
  exchange: Exchange,
  { authenticators, config }: WorkerRoute,
): Decision | null {
  if (authenticators.length === 0) return null;
  if (consumer !== '') {
    exchange.identify({ consumer, claims: null, fields: [] });
    return null;
  }
  // Credentials that were refused are so again.
  if (UNAUTHORIZED_STATUSES.includes(status) && REFUSED_CREDENTIALS.has(code)) {
    return { ...NOTHING, kind: 'refused', route: config.name, status, code };
  }
  if (config.allowsAnonymous === true) {
    exchange.identify(ANONYMOUS);
    return null;
  }
  return { ...NOTHING, kind: 'unknown', route: config.name };
}

const REFUSED_CREDENTIALS: ReadonlySet<string> = new Set(
  Object.values(PROBLEMS)
    .filter(({ part }) => part === 'authentication')
    .map(({ code }) => code),
);

function answerOf(exchange: Exchange, route: WorkerRoute): Decision {
  const { answer, config } = route;
  if (answer.kind === 'fixed') return ofReply(answer.steps[0](exchange), config.name);
  if (answer.kind === 'tokens' || answer.kind === 'login') {
    return { ...NOTHING, kind: 'answered', route: config.name, status: 200 };
  }
  const { head, rewrittenTarget } = exchange;
  return {
    ...NOTHING,
    route: config.name,
    upstream: answer.upstream.name,
    target: rewrittenTarget || pathForTarget(route, head) + exchange.query,
  };
}

/** What the target came to, as far as the log tells. */
function outcomeOf({ status, code }: RecordedRequest, upstream: CompiledUpstream | null): number {
  if (upstream === null || status === CLIENT_LEFT) return OUTCOME_CANCELLED;
  if (code === '') return outcomeOfStatus(status, upstream);
  // Without an answer of a target it was a failure, or the gateway did not ask any.
  return FAILURES_OF_TARGETS.has(code) ? OUTCOME_FAILURE | OUTCOME_5XX : OUTCOME_SUCCESS;
}

const CLIENT_LEFT = 499;
const FAILURES_OF_TARGETS: ReadonlySet<string> = new Set(
  Object.values(PROBLEMS)
    .filter(({ part }) => part === 'upstream')
    .map(({ code }) => code),
);
