/**
 * Which refusals the acceptor may give again by itself, for how long, and what the worker makes of
 * it when it hears that.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { LimitCountsView } from '../../../../src/channel/coordinator/limit-counts.js';
import { NO_ID_NUMBER } from '../../../../src/channel/records/repeat-records.js';
import type { GatewayConfig } from '../../../../src/config/gateway-config.js';
import { COUNTERS } from '../../../../src/observability/counters.js';
import { JWT_SECRET } from '../../../support/configs.js';
import { eventually } from '../../../support/eventually.js';
import { signHs256 } from '../../../support/hs256-token.js';
import { type RigClient, type RigRequest, WorkerRig } from '../../../support/worker-rig.js';

const HOLDS_MS_MAX = 20;

const rigs: WorkerRig[] = [];

afterEach(async () => {
  for (const rig of rigs.splice(0)) {
    expect(rig.errors).toEqual([]);
    await rig.close();
  }
});

type Parts = Readonly<Record<string, unknown>>;

function configOf(route: Parts = {}, top: Parts = {}): GatewayConfig {
  return {
    logging: { level: 'warn', accessLog: { headers: ['user-agent'] } },
    upstreams: { api: { targets: [{ url: 'http://127.0.0.1:8001' }] } },
    routes: [
      {
        name: 'few',
        match: { path: '/few' },
        respond: { body: 'ok' },
        rateLimit: { limit: 1, window: '1m', key: 'clientIp' },
        ...route,
      },
      { name: 'other', match: { path: '/other' }, respond: { body: 'ok' } },
    ],
    ...top,
  } as GatewayConfig;
}

async function aRig(route: Parts = {}, top: Parts = {}): Promise<WorkerRig> {
  const rig = await WorkerRig.create(configOf(route, top));
  rigs.push(rig);
  return rig;
}

/** Counters that are about the thread, and not about its requests. */
const OF_THREAD: ReadonlySet<number> = new Set([
  COUNTERS.laneRecords,
  COUNTERS.laneWakes,
  COUNTERS.loopActiveMs,
  COUNTERS.heapUsedBytes,
]);

const HEAD: RigRequest = { path: '/few', headNumber: 7 };

/** Uses the limit up, and has a request refused that nobody has to ask about. */
function refusedAgain(rig: WorkerRig, request = HEAD): RigClient {
  const clients = Array.from({ length: 4 }, () => rig.request(request));
  const [last] = clients.slice(-1);
  if (last === undefined) throw new Error('no client');
  expect(last.status).toBe(429);
  return last;
}

describe('a refusal by a limit', () => {
  it('holds for the same head, for some milliseconds', async () => {
    const rig = await aRig();
    const first = rig.request(HEAD);
    const asked = rig.request(HEAD);
    const { hold } = refusedAgain(rig);
    expect([first.status, asked.status]).toEqual([200, 429]);
    expect([first.hold, asked.hold]).toEqual([null, null]);
    expect(hold).toMatchObject({ headNumber: 7, hasNewId: true, round: rig.refusalRound });
    expect(hold?.untilMs).toBeGreaterThan(rig.clock.nowMs());
    expect(hold?.untilMs).toBeLessThanOrEqual(rig.clock.nowMs() + HOLDS_MS_MAX);
  });

  it('never holds longer than the seconds that it tells', async () => {
    const rig = await aRig();
    refusedAgain(rig);
    let held = 0;
    for (let ms = 0; ms < 3000; ms += 7) {
      rig.advance(7);
      const { hold, fields } = rig.request(HEAD);
      if (hold === null) continue;
      held += 1;
      const later = hold.untilMs - 1e-6 - rig.clock.nowMs();
      expect(later).toBeGreaterThanOrEqual(0);
      const told = Number(/Retry-After: (\d+)/.exec(fields)?.[1]);
      // The window began with the first request: its end is where the seconds count down to.
      rig.advance(later);
      const next = rig.request({ path: '/few' });
      expect(Number(/Retry-After: (\d+)/.exec(next.fields)?.[1])).toBe(told);
    }
    expect(held).toBeGreaterThan(100);
  });

  it('keeps the id that a client may choose', async () => {
    const rig = await aRig({}, { requestId: { accept: 'anyone' } });
    const request = { ...HEAD, fields: ['x-request-id', 'mine'] };
    const client = refusedAgain(rig, request);
    expect(client.hold).toMatchObject({ hasNewId: false });
    const before = rig.records.length;
    rig.repeat(client, [NO_ID_NUMBER]);
    expect(rig.records.slice(before).map((line) => JSON.parse(line).requestId)).toEqual(['mine']);
  });

  const FAULTS = { hardening: { faults: 'allow' } };
  const PAGES = { errors: { '4xx': { text: 'no' } } };
  // A limit by address is asked before anybody finds out who calls.
  const IDENTIFIED = {
    authenticate: ['users'],
    rateLimit: [
      { limit: 100, window: '1m', key: 'clientIp' },
      { limit: 1, window: '1m', key: 'consumer' },
    ],
  };
  const jwt = { users: { type: 'jwt', algorithms: ['HS256'], secret: JWT_SECRET } };
  const caller = ['authorization', `Bearer ${signHs256({ sub: 'ada', exp: 4_000_000_000 })}`];
  const call = { method: 'POST', fields: ['content-type', 'application/grpc'] };
  it.each([
    ['its head has no number', {}, {}, { path: '/few' }],
    ['it has a body', {}, {}, { ...HEAD, method: 'POST', bodyBytes: 3 }],
    ['a filter sees the request', { ipFilter: { deny: ['203.0.113.9'] } }, {}, HEAD],
    ['a filter sees the reply', { cors: { origins: ['https://a.test'] } }, {}, HEAD],
    ['requests fail by chance', { faults: { percent: 1, abort: 500 } }, FAULTS, HEAD],
    ['it has a page', {}, PAGES, HEAD],
    ['a filter sees all requests', {}, { ipFilter: { deny: ['203.0.113.9'] } }, HEAD],
    ['traces are sampled', {}, { tracing: { endpoint: 'http://127.0.0.1:1' } }, HEAD],
    ['it is known who calls', IDENTIFIED, { authenticators: jwt }, { ...HEAD, fields: caller }],
    ['it asks for a tunnel', {}, {}, { ...HEAD, wantsTunnel: true }],
    ['it is a call of gRPC', {}, {}, { ...HEAD, ...call }],
    ['a stage sees the reply', { compression: {} }, {}, HEAD],
    ['its body is logged', { logBodies: { reply: false } }, {}, HEAD],
  ] as const)('does not hold where %s', async (_, route, top, request) => {
    const rig = await aRig(route, top);
    const clients: RigClient[] = [];
    for (let count = 0; count < 6; count += 1) {
      const client = rig.request(request);
      clients.push(client);
      if ('bodyBytes' in request && !client.isEnded) client.send('abc', true);
      // A token that is seen for the first time is verified aside.
      await eventually('a reply', () => {
        rig.settle();
        return !client.isWaiting;
      });
    }
    expect(clients.map(({ hold }) => hold)).toEqual(clients.map(() => null));
  });

  const FIRST = { authenticate: ['users'] };
  const SEVERAL = { upstream: undefined, upstreams: [{ name: 'api' }, { name: 'next' }] };
  const ROLLOUT = { ...SEVERAL, split: { ramp: { from: 1, to: 50, over: '1h' } } };
  it.each([
    ['is never shed', {}, {}, true],
    ['is shed early', { priority: 'low' }, {}, false],
    ['is shed behind the limit', { priority: 'low', ...FIRST }, {}, true],
    ['goes to an upstream with an adapted limit', {}, { adaptiveConcurrency: {} }, false],
    ['is measured for a rollout', ROLLOUT, {}, false],
    ['has several upstreams, and limits in front of them', { ...SEVERAL, ...FIRST }, {}, true],
  ] as const)('of a route that %s', async (_, route, upstream, holds) => {
    const api = { targets: [{ url: 'http://127.0.0.1:8001' }], ...upstream };
    const parts = { respond: undefined, upstream: 'api', ...route };
    const rig = await aRig(parts, { upstreams: { api, next: api }, authenticators: jwt });
    const { hold } = refusedAgain(rig);
    expect(hold !== null).toBe(holds);
  });

  it('does not hold while the log is behind, so that no more lines are lost than without', async () => {
    const rig = await aRig();
    rig.isLogBehind = true;
    const clients = Array.from({ length: 6 }, () => rig.request(HEAD));
    expect(clients.map(({ hold }) => hold)).toEqual(clients.map(() => null));
    rig.isLogBehind = false;
    expect(rig.request(HEAD).hold).not.toBeNull();
  });

  it('holds no more in another round, which every reload begins', async () => {
    const rig = await aRig();
    const { hold } = refusedAgain(rig);
    await rig.reload(configOf());
    expect(rig.refusalRound).not.toBe(hold?.round);
  });
});

describe('refusals that were given again', () => {
  it('are counted and recorded as if the worker had given them', async () => {
    const [told, asked] = [await aRig(), await aRig()];
    const client = refusedAgain(told);
    refusedAgain(asked);
    told.repeat(client, [1, 2, 0xabc]);
    for (let count = 0; count < 3; count += 1) asked.request(HEAD);
    const [first, second] = [told, asked].map(({ counters }) =>
      Array.from({ length: 400 }, (_, at) => (OF_THREAD.has(at) ? 0 : counters.read(at))),
    );
    expect(first).toEqual(second);
    const [ours, theirs] = [told, asked].map(({ coordinator }) =>
      new LimitCountsView(coordinator.memory.limitCounts).read(0),
    );
    expect(ours).toEqual(theirs);
    const lines = [told, asked].map(({ records }) =>
      records.slice(-3).map((line) => {
        const { requestId, durationMs, ...rest } = JSON.parse(line) as Record<string, unknown>;
        expect(durationMs).toBeGreaterThanOrEqual(0);
        expect(requestId).toMatch(/^(acceptor|rig)-[0-9a-f]{8}$/);
        return rest;
      }),
    );
    expect(lines[0]).toEqual(lines[1]);
    const ids = told.records.slice(-3).map((line) => JSON.parse(line).requestId as string);
    expect(ids).toEqual(['acceptor-00000001', 'acceptor-00000002', 'acceptor-00000abc']);
  });

  it('are counted until nothing is left of their configuration, which is let go then', async () => {
    const rig = await aRig();
    const client = refusedAgain(rig);
    await rig.reload(configOf());
    const later = refusedAgain(rig, { ...HEAD, headNumber: 8 });
    const before = rig.records.length;
    rig.repeat(client, [1]);
    expect(rig.records).toHaveLength(before + 1);
    rig.advance(2000);
    rig.repeat(later, [2]);
    expect(rig.records).toHaveLength(before + 2);
    rig.repeat(client, [3]);
    expect(rig.errors.splice(0)).toEqual(['1 repeated refusals of heads that are not known']);
  });

  it('are counted also when their acceptor has ended before they were read', async () => {
    const rig = await aRig();
    const client = refusedAgain(rig);
    const before = rig.records.length;
    rig.tellRepeats(client, [1, 2]);
    const request = rig.write(HEAD);
    rig.changeLane();
    expect([rig.records.length, request.isWaiting]).toEqual([before + 2, true]);
  });

  it('leave room for those of another acceptor, in a round that it is told', async () => {
    const rig = await aRig();
    refusedAgain(rig);
    rig.changeLane();
    const { hold } = refusedAgain(rig, { ...HEAD, headNumber: 7 + 1024 });
    expect([hold?.headNumber, hold?.round]).toEqual([7 + 1024, rig.refusalRound]);
    expect(rig.refusalRound).not.toBe(0);
  });

  it('are counted also when another head takes their place, which waits for their end', async () => {
    const rig = await aRig();
    const client = refusedAgain(rig);
    // Both have the same place in the table.
    const other = refusedAgain(rig, { ...HEAD, headNumber: 7 + 1024 });
    expect(other.hold).toBeNull();
    rig.repeat(client, [1]);
    rig.advance(HOLDS_MS_MAX + 1);
    const later = [1, 2, 3].map(() => rig.request({ ...HEAD, headNumber: 7 + 1024 }));
    expect(later.some(({ hold }) => hold?.headNumber === 7 + 1024)).toBe(true);
  });
});
