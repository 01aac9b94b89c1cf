/**
 * The life of requests in a worker: real phases, answerers and coordinator, with tries and a client
 * that are played, under a clock that the test moves.
 */

import { describe, expect, it } from 'vitest';
import { HalfSipHash } from '../../../src/base/half-sip-hash.js';
import { PROBLEMS, type ProblemKind } from '../../../src/base/problems.js';
import { RequestIdSource } from '../../../src/base/request-id.js';
import { laneMemoryOf } from '../../../src/channel/coordinator/coordinator-memory.js';
import {
  OUTCOME_FAILURE,
  type ReplyView,
} from '../../../src/channel/coordinator/coordinator-records.js';
import { COORDINATOR_LOST_MS } from '../../../src/channel/coordinator/coordinator-status.js';
import type { IdentityRequest } from '../../../src/channel/identity-messages.js';
import { allocateLane, LaneEnd } from '../../../src/channel/lane.js';
import { FLAG_ANSWERED } from '../../../src/channel/records/record-kind.js';
import { PROTOCOL_HTTP_1_1 } from '../../../src/channel/records/request-head.js';
import type { GatewayConfig, RouteConfig } from '../../../src/config/gateway-config.js';
import type {
  AuthenticationResult,
  Authenticator,
} from '../../../src/filters/authentication/authenticator.js';
import type { LocalReply } from '../../../src/filters/local-reply.js';
import { AdmissionGate } from '../../../src/worker/admission/admission-gate.js';
import {
  ASK_WAIT_MS,
  CoordinatorClient,
} from '../../../src/worker/admission/coordinator-client.js';
import { TargetGrants } from '../../../src/worker/admission/target-grants.js';
import { TargetPreference } from '../../../src/worker/admission/target-preference.js';
import { TOKEN_ASKS_MAX, TokenEndpoints } from '../../../src/worker/answer/token-endpoints.js';
import { TOKEN_WAIT_MS } from '../../../src/worker/answer/tokens-answerer.js';
import { DeadlineWheel } from '../../../src/worker/exchange/deadline-wheel.js';
import type { Exchange } from '../../../src/worker/exchange/exchange.js';
import { PHASE_REPLY } from '../../../src/worker/exchange/phase.js';
import { AUTHENTICATION_WAIT_MS } from '../../../src/worker/identity/authentication-phase.js';
import { type MirrorParts, Mirrors } from '../../../src/worker/mirror/mirrors.js';
import type { PluginCalls } from '../../../src/worker/plugins/plugin-calls.js';
import { RequestPlugins } from '../../../src/worker/plugins/request-plugins.js';
import type { ReplyPath } from '../../../src/worker/reply/reply-path.js';
import {
  FaultInjection,
  type FaultInjectionParts,
} from '../../../src/worker/request/fault-injection.js';
import { FilterRunner } from '../../../src/worker/request/filter-runner.js';
import { RequestPipeline } from '../../../src/worker/request-pipeline.js';
import type { ExchangeMetrics } from '../../../src/worker/telemetry/exchange-metrics.js';
import type { RetryLoop } from '../../../src/worker/tries/retry-loop.js';
import type { Tunnels } from '../../../src/worker/tunnel/tunnels.js';
import type { Forwarder } from '../../../src/worker/upstream/forwarder.js';
import { WorkerEpoch } from '../../../src/worker/worker-epoch.js';
import { compileConfig } from '../../support/compile-config.js';
import { CoordinatorRig } from '../../support/coordinator-rig.js';
import { aCacheLink } from '../../support/empty-cache.js';
import { FakeClock } from '../../support/fake-clock.js';
import { noSlots } from '../../support/no-slots.js';
import { servedOf } from '../../support/served-config.js';

const BODY_WAIT_MS = 60_000;

/** Routes as a test names them. */
const ROUTES: Readonly<Record<string, Omit<RouteConfig, 'name' | 'match'>>> = {
  plain: { upstream: 'api' },
  limited: { upstream: 'api', rateLimit: { limit: 1, window: '1h' } },
  lost: { upstream: 'api', rateLimit: { limit: 9, window: '1h' }, onCoordinatorLost: 'open' },
  closed: { upstream: 'api', rateLimit: { limit: 9, window: '1h' }, onCoordinatorLost: 'closed' },
  hello: { respond: { body: 'hello' } },
  few: { respond: { body: 'few' }, rateLimit: { limit: 2, window: '1h' } },
  single: { respond: { body: 'one' }, rateLimit: { maxInFlight: 1 } },
  watched: { respond: { body: 'seen' }, rateLimit: { limit: 1, window: '1h', mode: 'shadow' } },
  moved: { redirect: { to: '/hello' } },
  refresh: { tokenService: 'refresh' },
  keys: { tokenService: 'keys' },
  fewKeys: { tokenService: 'keys', rateLimit: { limit: 1, window: '1h' } },
  guarded: { upstream: 'api', authenticate: ['people'] },
  counted: {
    upstream: 'api',
    authenticate: ['people'],
    rateLimit: [
      { limit: 3, window: '1h', key: 'clientIp' },
      { limit: 2, window: '1h', key: 'consumer', name: 'own' },
    ],
  },
  held: {
    respond: { body: 'held' },
    authenticate: ['people'],
    rateLimit: [{ maxInFlight: 1 }, { maxInFlight: 1, key: 'consumer', name: 'own' }],
  },
  many: {
    respond: { body: 'many' },
    authenticate: ['people'],
    rateLimit: { limit: 3, window: '1h' },
    onCoordinatorLost: 'open',
  },
  allowed: { upstream: 'api', ipFilter: { allow: ['10.0.0.0/8'] } },
};

const CONFIG: GatewayConfig = {
  workers: 2,
  tokenService: { issuer: 'sluice', audience: 'api' },
  authenticators: { people: { type: 'jwt', algorithms: ['HS256'], secret: 's'.repeat(32) } },
  upstreams: {
    api: {
      targets: [{ url: 'http://127.0.0.1:8001' }],
      circuitBreaker: { failureThreshold: 1 },
      loadBalancing: { panicThreshold: 0 },
    },
  },
  routes: Object.entries(ROUTES).map(([name, route]) => ({
    name,
    match: {
      path: `/${name}` as const,
      ...(name === 'refresh' && { methods: ['POST' as const] }),
      ...(/keys/i.test(name) && { methods: ['GET' as const] }),
    },
    ...route,
  })),
};

interface RequestWish {
  readonly lane?: number;
  readonly body?: string;
  readonly bodyBytes?: number;
  /** Of the body. */
  readonly isComplete?: boolean;
}

interface Given {
  readonly exchange: Exchange;
  readonly reply: LocalReply;
}

/** No route of these tests has a plugin. */
const NO_CALLS = {} as PluginCalls;

class Rig {
  readonly clock = new FakeClock();
  readonly coordinatorRig: CoordinatorRig;
  readonly pipelines: RequestPipeline[] = [];
  readonly clients: CoordinatorClient[] = [];
  readonly wheel = new DeadlineWheel(this.clock.nowMs());
  readonly given: Given[] = [];
  readonly cut: (ProblemKind | null)[] = [];
  readonly closed: Exchange[] = [];
  readonly began: Exchange[] = [];
  /** Those whose body was asked for, to be collected. */
  readonly wanted: Exchange[] = [];
  readonly released: Exchange[] = [];
  readonly counted: string[] = [];
  readonly errors: unknown[] = [];
  readonly posted: IdentityRequest[] = [];
  readonly tokens: TokenEndpoints;
  /** What a stage does with replies of the gateway's own: it keeps them. */
  keepsReplies = false;
  onBegin: (exchange: Exchange) => void = () => {};
  authenticate: () => AuthenticationResult | Promise<AuthenticationResult> = () => ({
    verdict: 'absent',
  });
  private index = 0;

  static async create(): Promise<Rig> {
    const config = compileConfig(CONFIG);
    const rig = new Rig(config);
    const authenticators = {
      acquire: async () => [rig.authenticator],
      release: async () => {},
    };
    const epoch = await WorkerEpoch.create(servedOf(config), authenticators, () => 0);
    for (let lane = 0; lane < 2; lane += 1) rig.addWorker(lane, epoch);
    return rig;
  }

  private constructor(config: ReturnType<typeof compileConfig>) {
    this.coordinatorRig = new CoordinatorRig(config);
    const { tokenService } = config;
    if (tokenService === null) throw new Error('no token service');
    const keys = { keysOf: () => [] };
    this.tokens = new TokenEndpoints(tokenService, keys, (request) => this.posted.push(request));
  }

  private readonly authenticator: Authenticator = {
    name: 'people',
    challenge: 'Bearer',
    isBearer: true,
    ownedFields: [],
    stripsAuthorization: false,
    readsAuthorization: true,
    authenticate: () => this.authenticate(),
  };

  private addWorker(lane: number, epoch: WorkerEpoch): void {
    const { config } = this.coordinatorRig;
    const { nowMs, unixMs } = this.clock;
    const ledger = this.ledger();
    const end = this.coordinatorRig.worker(lane);
    const hash = new HalfSipHash(1, 2);
    const grants = new TargetGrants([], end.targets, end.standings);
    grants.adopt(config.upstreams);
    const onVerdict = (exchange: Exchange, reply: ReplyView) =>
      this.pipeline(lane).onVerdict(exchange, reply);
    const preference = new TargetPreference(config, hash, noSlots());
    const coordinator = new CoordinatorClient(end, grants, hash, preference, nowMs, onVerdict);
    const forwarder = {
      creditCollected: () => {},
      wantCollected: (exchange: Exchange) => this.wanted.push(exchange),
    } as unknown as Forwarder;
    const laneEnd = new LaneEnd(allocateLane(1 << 16), 'worker', { postMessage: () => {} });
    this.clients.push(coordinator);
    this.pipelines.push(
      new RequestPipeline({
        epochs: { next: () => epoch },
        requestIds: new RequestIdSource('test'),
        filters: new FilterRunner(
          ledger,
          forwarder,
          { wheel: this.wheel, nowMs, onSlow: () => {} },
          { run: () => null },
          () => {},
        ),
        plugins: new RequestPlugins(NO_CALLS, () => {}),
        tokens: this.tokens,
        faults: new FaultInjection({} as FaultInjectionParts),
        mirrors: new Mirrors({} as MirrorParts),
        rollouts: { shareOf: () => 0 },
        gate: new AdmissionGate(
          config.capacity,
          laneMemoryOf(this.coordinatorRig.memory, lane),
          laneEnd,
        ),
        cache: aCacheLink(this.replies(lane)),
        coordinator,
        refusals: { offer: () => {} },
        forwarder,
        tries: this.tries(),
        tunnels: { prepare: () => null } as unknown as Tunnels,
        replies: this.replies(lane),
        ledger,
        wheel: this.wheel,
        nowMs,
        unixMs,
        touch: () => {},
        onFinished: () => {},
        onError: (error) => this.errors.push(error),
      }),
    );
    this.coordinatorRig.status.beat(nowMs());
  }

  private pipeline(lane: number): RequestPipeline {
    const pipeline = this.pipelines[lane];
    if (pipeline === undefined) throw new Error(`no worker ${lane}`);
    return pipeline;
  }

  private ledger(): ExchangeMetrics {
    const note = (name: string | symbol) => (exchange: Exchange) => {
      if (name === 'close') this.closed.push(exchange);
      else if (name !== 'begin') this.counted.push(String(name));
    };
    return new Proxy({}, { get: (_, name) => note(name) }) as ExchangeMetrics;
  }

  private tries(): RetryLoop {
    return {
      begin: (exchange: Exchange) => {
        this.began.push(exchange);
        this.onBegin(exchange);
      },
      onRequestComplete: () => this.counted.push('requestComplete'),
      onVerdict: () => {},
      onDeadline: () => this.counted.push('triesDeadline'),
      release: (exchange: Exchange) => this.released.push(exchange),
    } as unknown as RetryLoop;
  }

  private replies(lane: number): ReplyPath {
    return {
      sendLocal: (exchange: Exchange, reply: LocalReply) => {
        this.given.push({ exchange, reply });
        exchange.reply.onLocal(reply, false);
        if (!this.keepsReplies) this.pipeline(lane).onDelivered(exchange);
      },
      cut: (_: Exchange, problem: ProblemKind | null) => this.cut.push(problem),
      onStuck: (exchange: Exchange) => this.pipeline(lane).onReplyStuck(exchange),
      release: () => {},
    } as unknown as ReplyPath;
  }

  /** A request for the route of this name. */
  request(name: string, wish: RequestWish = {}): Exchange {
    const { lane = 0, body = '', isComplete = true } = wish;
    const { bodyBytes = body.length } = wish;
    const method = name === 'refresh' ? 'POST' : 'GET';
    this.index += 1;
    const exchange = this.pipeline(lane).onRequest({
      protocol: PROTOCOL_HTTP_1_1,
      listener: 0,
      index: this.index,
      generation: 1,
      receivedMs: this.clock.nowMs(),
      bodyBytes,
      isComplete: isComplete && body === '',
      expectsContinue: false,
      wantsTunnel: false,
      parts: [method, `/${name}`, '192.0.2.7', 'http', 'content-type', 'application/json'],
    });
    if (body !== '') this.pipeline(lane).onRequestBody(exchange, Buffer.from(body), isComplete);
    return exchange;
  }

  /** The coordinator answers what it was asked. */
  settle(): void {
    for (const client of this.clients) client.flush();
    this.coordinatorRig.step(this.clock.nowMs());
    for (const client of this.clients) client.drain();
  }

  advance(ms: number): void {
    this.clock.advance(ms);
    this.wheel.advance(this.clock.nowMs());
  }

  /** Status and code of the reply to each exchange, in the order in which they were given. */
  get replied(): readonly (readonly [number, string])[] {
    return this.given.map(({ reply }) => [reply.status, reply.problem?.code ?? ''] as const);
  }

  /** Each exchange that has ended has ended once, and nothing of it has stayed. */
  expectAllClosed(count: number): void {
    expect(this.closed).toHaveLength(count);
    expect(new Set(this.closed).size).toBe(count);
    expect(this.pipelines.map(({ inFlight }) => inFlight)).toEqual([0, 0]);
    expect(this.wheel.size).toBe(0);
    this.settle();
    expect(this.coordinatorRig.worker(0).pendingAsks).toBe(0);
  }
}

describe('a route with an upstream', () => {
  it('asks once, and begins its tries when it is admitted', async () => {
    const rig = await Rig.create();
    const exchange = rig.request('plain');
    expect(rig.began).toEqual([]);
    rig.settle();
    expect(rig.began).toEqual([exchange]);
    expect(exchange.phase).toBe(PHASE_REPLY);
    expect(rig.counted).toEqual(['countAsk']);
    rig.pipelines[0]?.onDelivered(exchange);
    expect(rig.given).toEqual([]);
    rig.expectAllClosed(1);
  });

  it('waits for a body that is collected, up to its time', async () => {
    const rig = await Rig.create();
    const waiting = rig.request('plain', { body: 'ab', bodyBytes: 4, isComplete: false });
    expect(rig.wanted).toEqual([]);
    rig.settle();
    expect([rig.began, rig.wanted]).toEqual([[], [waiting]]);
    rig.advance(BODY_WAIT_MS + 100);
    expect(rig.replied).toEqual([[408, 'GW_REQUEST_TIMEOUT']]);
    rig.expectAllClosed(1);
    const whole = rig.request('plain', { body: 'ab', bodyBytes: 4, isComplete: false });
    rig.settle();
    rig.pipelines[0]?.onRequestBody(whole, Buffer.from('cd'), true);
    expect(rig.began).toEqual([whole]);
  });

  it('hears when the last try has failed, before and after its reply has begun', async () => {
    const rig = await Rig.create();
    const pipeline = rig.pipelines[0];
    const first = rig.request('plain');
    rig.settle();
    pipeline?.onTriesFailed(first, PROBLEMS.connectFailed);
    expect(rig.replied).toEqual([[502, 'GW_UPSTREAM_CONNECT_FAILED']]);
    const second = rig.request('plain');
    rig.settle();
    second.reply.begin(5);
    pipeline?.onTriesFailed(second, PROBLEMS.upstreamReset);
    expect(rig.cut).toEqual([null]);
    rig.expectAllClosed(2);
  });

  it('has its limit, which is refused with Retry-After and not asked for again', async () => {
    const rig = await Rig.create();
    for (let count = 0; count < 3; count += 1) {
      rig.request('limited');
      rig.settle();
    }
    expect(rig.began).toHaveLength(1);
    expect(rig.replied).toEqual([
      [429, 'GW_RATE_LIMITED'],
      [429, 'GW_RATE_LIMITED'],
    ]);
    expect(rig.given[1]?.reply.fields).toMatch(/Retry-After: 3\d\d\d/);
    expect(rig.counted.filter((one) => one === 'countAsk')).toHaveLength(2);
    expect(rig.counted).toContain('countRefusedAgain');
  });

  it.each([
    ['plain', 503, 'GW_COORDINATOR_UNAVAILABLE'],
    ['limited', 503, 'GW_COORDINATOR_UNAVAILABLE'],
    ['closed', 503, 'GW_COORDINATOR_UNAVAILABLE'],
  ])(
    '%s: no verdict in time, and no free target or no leave to go on',
    async (name, status, code) => {
      const rig = await Rig.create();
      rig.coordinatorRig.tell(1, [0, 0, OUTCOME_FAILURE]);
      rig.request(name);
      rig.advance(ASK_WAIT_MS + 100);
      expect(rig.replied).toEqual([[status, code]]);
      expect(rig.counted).toContain('countAskTimeout');
      rig.expectAllClosed(1);
    },
  );

  it('goes on without the coordinator where its route says so', async () => {
    const rig = await Rig.create();
    rig.request('lost');
    rig.advance(ASK_WAIT_MS + 100);
    expect(rig.began).toHaveLength(1);
    rig.advance(COORDINATOR_LOST_MS + 1);
    rig.request('lost');
    expect(rig.began).toHaveLength(2);
    rig.request('closed');
    expect(rig.replied).toEqual([[503, 'GW_COORDINATOR_UNAVAILABLE']]);
    expect(rig.counted.filter((one) => one === 'countOpen')).toHaveLength(2);
  });

  it('is refused by a filter of its own before anybody is asked', async () => {
    const rig = await Rig.create();
    rig.request('allowed');
    expect(rig.replied).toEqual([[403, 'GW_ADDRESS_DENIED']]);
    expect(rig.counted).toEqual(['countFilterReply']);
    rig.expectAllClosed(1);
  });
});

/** A caller that the authenticator accepts. */
function known(consumer: string): AuthenticationResult {
  return { verdict: 'accepted', identity: { consumer, scopes: new Set(), claims: {}, fields: [] } };
}

/** How often each name was counted. */
function timesOf(names: readonly string[], name: string): number {
  return names.filter((one) => one === name).length;
}

describe('a route with authenticators and limits', () => {
  it('counts guesses by address, and asks no authenticator when the limit is used up', async () => {
    const rig = await Rig.create();
    let asked = 0;
    rig.authenticate = () => {
      asked += 1;
      return { verdict: 'refused', reason: 'wrong' };
    };
    for (let guess = 0; guess < 5; guess += 1) {
      rig.request('counted', { lane: guess % 2 });
      rig.settle();
    }
    const statuses = rig.given.map(({ reply }) => reply.status);
    expect(statuses).toEqual([401, 401, 401, 429, 429]);
    expect(asked).toBe(3);
    expect(rig.given[2]?.exchange.admission.limitFields).toMatch(/RateLimit: "counted";r=0/);
    rig.expectAllClosed(5);
  });

  it('refuses the right credentials too once guesses have used the limit up', async () => {
    const rig = await Rig.create();
    rig.authenticate = () => ({ verdict: 'refused', reason: 'wrong' });
    for (let guess = 0; guess < 3; guess += 1) {
      rig.request('counted');
      rig.settle();
    }
    rig.authenticate = () => known('ada');
    rig.request('counted');
    rig.settle();
    expect(rig.replied.at(-1)).toEqual([429, 'GW_RATE_LIMITED']);
  });

  it('counts a request once by each limit, and tells the one that is nearer to its end', async () => {
    const rig = await Rig.create();
    rig.authenticate = () => known('ada');
    const first = rig.request('counted');
    rig.settle();
    rig.settle();
    expect(rig.began).toEqual([first]);
    expect(first.admission.limitFields).toMatch(/RateLimit: "own";r=1/);
    expect(timesOf(rig.counted, 'countAsk')).toBe(2);
    rig.request('counted');
    rig.settle();
    rig.settle();
    expect(rig.began).toHaveLength(2);
    // The third one of this consumer is refused by the limit of consumers, and uses up the address.
    rig.request('counted');
    rig.settle();
    rig.settle();
    expect(rig.replied).toEqual([[429, 'GW_RATE_LIMITED']]);
    rig.authenticate = () => known('grace');
    rig.request('counted');
    rig.settle();
    expect(rig.replied).toHaveLength(2);
    expect(rig.given[1]?.exchange.admission.limitFields).toMatch(/RateLimit: "counted";r=0/);
  });

  it('asks once where all limits need no caller, and nobody when it answers by itself', async () => {
    const rig = await Rig.create();
    rig.authenticate = () => known('ada');
    rig.request('many');
    rig.settle();
    expect(rig.replied).toEqual([[200, '']]);
    expect(timesOf(rig.counted, 'countAsk')).toBe(1);
    rig.expectAllClosed(1);
  });

  it('gives back the places under both kinds of limits, and that of a refused caller', async () => {
    const rig = await Rig.create();
    for (const result of [known('ada'), { verdict: 'absent' } as const, known('ada')]) {
      rig.authenticate = () => result;
      rig.request('held');
      rig.settle();
      rig.settle();
      rig.settle();
    }
    expect(rig.given.map(({ reply }) => reply.status)).toEqual([200, 401, 200]);
    rig.expectAllClosed(3);
  });

  it('holds its place by address while the caller is being found out', async () => {
    const rig = await Rig.create();
    let answer: (result: AuthenticationResult) => void = () => {};
    rig.authenticate = () =>
      new Promise((resolve) => {
        answer = resolve;
      });
    rig.request('held');
    rig.settle();
    rig.request('held');
    rig.settle();
    expect(rig.replied).toEqual([[429, 'GW_RATE_LIMITED']]);
    answer(known('ada'));
    await Promise.resolve();
    await Promise.resolve();
    rig.settle();
    expect(rig.replied.at(-1)).toEqual([200, '']);
  });

  it('goes on to the authenticators without the coordinator where its route says so', async () => {
    const rig = await Rig.create();
    rig.authenticate = () => ({ verdict: 'absent' });
    rig.request('many');
    rig.advance(ASK_WAIT_MS + 100);
    expect(rig.replied).toEqual([[401, 'GW_UNAUTHORIZED']]);
    rig.request('counted');
    rig.advance(ASK_WAIT_MS + 100);
    expect(rig.replied.at(-1)).toEqual([503, 'GW_COORDINATOR_UNAVAILABLE']);
    rig.expectAllClosed(2);
  });
});

describe('a route with a fixed reply', () => {
  it('asks nobody, needs no target, and does not wait for the body', async () => {
    const rig = await Rig.create();
    rig.coordinatorRig.tell(1, [0, 0, OUTCOME_FAILURE]);
    rig.request('hello', { body: 'x', bodyBytes: 100, isComplete: false });
    rig.request('moved');
    expect(rig.given.map(({ reply }) => [reply.status, reply.body])).toEqual([
      [200, 'hello'],
      [308, ''],
    ]);
    expect(rig.counted).not.toContain('countAsk');
    rig.expectAllClosed(2);
  });

  it('keeps to its limit exactly, whichever worker asks, without a healthy target', async () => {
    const rig = await Rig.create();
    rig.coordinatorRig.tell(1, [0, 0, OUTCOME_FAILURE]);
    for (const lane of [0, 1, 0, 1]) rig.request('few', { lane });
    rig.settle();
    const statuses = rig.given.map(({ reply }) => reply.status).sort();
    expect(statuses).toEqual([200, 200, 429, 429]);
    const admitted = rig.given.filter(({ reply }) => reply.status === 200);
    for (const { exchange } of admitted) {
      expect(exchange.admission.limitFields).toMatch(/RateLimit: "few";r=[01]/);
      expect(exchange.admission.isAdmitted).toBe(false);
    }
    rig.expectAllClosed(4);
  });

  it('gives its place back when it has replied', async () => {
    const rig = await Rig.create();
    for (let count = 0; count < 3; count += 1) {
      rig.request('single');
      rig.settle();
      rig.settle();
    }
    expect(rig.given.map(({ reply }) => reply.status)).toEqual([200, 200, 200]);
    rig.keepsReplies = true;
    const kept = rig.request('single');
    rig.settle();
    rig.request('single');
    rig.settle();
    expect(rig.replied.at(-1)).toEqual([429, 'GW_RATE_LIMITED']);
    rig.pipelines[0]?.onDelivered(kept);
  });

  it('is refused by no limit in shadow mode', async () => {
    const rig = await Rig.create();
    for (let count = 0; count < 2; count += 1) rig.request('watched');
    rig.settle();
    expect(rig.given.map(({ reply }) => reply.status)).toEqual([200, 200]);
  });
});

describe('a route of the token service', () => {
  const BODY = '{"refresh_token":"r"}';

  it('is answered by the main thread', async () => {
    const rig = await Rig.create();
    rig.request('refresh', { body: BODY });
    expect(rig.posted).toMatchObject([{ type: 'tokenAsk', askId: 1, ask: { kind: 'refresh' } }]);
    expect(rig.given).toEqual([]);
    rig.tokens.onReply({ type: 'tokenReply', askId: 1, reply: { kind: 'refused' } });
    expect(rig.replied).toEqual([[400, 'GW_GRANT_REFUSED']]);
    rig.tokens.onReply({ type: 'tokenReply', askId: 1, reply: { kind: 'refused' } });
    rig.expectAllClosed(1);
  });

  it('waits no longer than its deadline: 503, which is counted as a problem', async () => {
    const rig = await Rig.create();
    rig.request('refresh', { body: BODY });
    rig.advance(TOKEN_WAIT_MS - 100);
    expect(rig.given).toEqual([]);
    rig.advance(200);
    expect(rig.replied).toEqual([[503, 'GW_TOKEN_SERVICE_UNAVAILABLE']]);
    expect(rig.given[0]?.reply.fields).toContain('Retry-After: 1');
    expect(rig.closed[0]?.reply.problem).toBe(PROBLEMS.tokenServiceUnavailable);
    rig.tokens.onReply({ type: 'tokenReply', askId: 1, reply: { kind: 'revoked' } });
    expect(rig.given).toHaveLength(1);
    rig.expectAllClosed(1);
  });

  it('lets no more than a fixed number wait, and has room again when one has given up', async () => {
    const rig = await Rig.create();
    const first = rig.request('refresh', { body: BODY });
    for (let count = 1; count < TOKEN_ASKS_MAX; count += 1) rig.request('refresh', { body: BODY });
    expect(rig.given).toEqual([]);
    rig.request('refresh', { body: BODY });
    expect(rig.replied).toEqual([[503, 'GW_OVERLOADED']]);
    rig.pipelines[0]?.onRequestAbort(first, 0);
    rig.request('refresh', { body: BODY });
    expect(rig.given).toHaveLength(1);
    expect(rig.posted).toHaveLength(TOKEN_ASKS_MAX + 1);
  });

  it('may have a limit, which is asked for without a target', async () => {
    const rig = await Rig.create();
    rig.coordinatorRig.tell(1, [0, 0, OUTCOME_FAILURE]);
    rig.request('keys');
    rig.request('fewKeys');
    rig.request('fewKeys', { lane: 1 });
    rig.settle();
    expect(rig.given.map(({ reply }) => reply.status).sort()).toEqual([200, 200, 429]);
    rig.expectAllClosed(3);
  });
});

describe('who calls', () => {
  it('is waited for, and not for ever', async () => {
    const rig = await Rig.create();
    rig.authenticate = () => new Promise(() => {});
    rig.request('guarded');
    rig.advance(AUTHENTICATION_WAIT_MS + 100);
    expect(rig.replied).toEqual([[503, 'GW_AUTHENTICATION_UNAVAILABLE']]);
    rig.expectAllClosed(1);
  });

  it('is of no interest any more when it is known after the reply', async () => {
    const rig = await Rig.create();
    let accept: (result: AuthenticationResult) => void = () => {};
    rig.authenticate = () => new Promise((resolve) => (accept = resolve));
    rig.keepsReplies = true;
    const exchange = rig.request('guarded');
    rig.advance(AUTHENTICATION_WAIT_MS + 100);
    accept({ verdict: 'refused', reason: 'late' });
    await Promise.resolve().then(() => {});
    expect(rig.given).toHaveLength(1);
    rig.pipelines[0]?.onDelivered(exchange);
    rig.expectAllClosed(1);
  });

  it('is checked before any limit', async () => {
    const rig = await Rig.create();
    rig.request('guarded');
    expect(rig.replied).toEqual([[401, 'GW_UNAUTHORIZED']]);
    expect(rig.counted).toEqual([]);
  });
});

describe('a mistake of ours', () => {
  it('ends the exchange that it was made for with 500, and no other', async () => {
    const rig = await Rig.create();
    const other = rig.request('plain');
    rig.settle();
    rig.authenticate = () => {
      throw new Error('a mistake');
    };
    rig.request('guarded');
    expect(rig.replied).toEqual([[500, 'GW_INTERNAL']]);
    expect(rig.errors).toHaveLength(1);
    rig.onBegin = () => {
      throw new Error('another mistake');
    };
    rig.request('plain');
    rig.settle();
    expect(rig.replied).toEqual([
      [500, 'GW_INTERNAL'],
      [500, 'GW_INTERNAL'],
    ]);
    expect(other.isFinished).toBe(false);
    rig.pipelines[0]?.onDelivered(other);
    rig.expectAllClosed(3);
  });
});

describe('every exit', () => {
  it('finishes once, whatever follows', async () => {
    const rig = await Rig.create();
    const pipeline = rig.pipelines[0];
    const asking = rig.request('plain');
    pipeline?.onRequestAbort(asking, 0);
    rig.settle();
    expect(rig.began).toEqual([]);
    const answered = rig.request('plain');
    rig.settle();
    pipeline?.onRequestAbort(answered, FLAG_ANSWERED);
    for (const exchange of [asking, answered]) {
      pipeline?.onRequestAbort(exchange, 0);
      pipeline?.onDelivered(exchange);
      pipeline?.onSlowUpload(exchange);
      expect(pipeline?.find(exchange.index, 1)).toBeUndefined();
    }
    rig.request('nowhere');
    expect(rig.replied).toEqual([[404, 'GW_ROUTE_NOT_FOUND']]);
    rig.expectAllClosed(3);
  });

  it('waits for a stage that keeps the reply, up to its time', async () => {
    const rig = await Rig.create();
    rig.keepsReplies = true;
    rig.request('hello');
    expect(rig.closed).toEqual([]);
    rig.keepsReplies = false;
    rig.advance(BODY_WAIT_MS + 100);
    expect(rig.replied).toEqual([
      [200, ''],
      [500, 'GW_INTERNAL'],
    ]);
    rig.expectAllClosed(1);
  });
});
