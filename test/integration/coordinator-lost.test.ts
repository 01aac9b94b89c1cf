/**
 * What becomes of requests while there is no coordinator: its thread is killed under load, and the
 * next one is held back for as long as the test needs.
 */
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { InProcessGateway } from '../support/in-process-gateway.js';
import { Load } from '../support/load.js';

const LIMIT = 5;
const POLICIES = ['wait', 'open', 'closed'] as const;
type Policy = (typeof POLICIES)[number];

let upstreams: FakeUpstream[];
let gateway: InProcessGateway;
let release: () => Promise<void>;
/** Requests that the targets keep. */
let kept: ServerResponse[];
let isKeeping: boolean;

beforeEach(async () => {
  kept = [];
  isKeeping = false;
  const script = (_request: unknown, response: ServerResponse): void => {
    if (isKeeping) kept.push(response);
    else response.end('ok');
  };
  upstreams = [await FakeUpstream.start(script), await FakeUpstream.start(script)];
  const limited = { limit: LIMIT, window: '1h', key: 'route' };
  gateway = await InProcessGateway.start({
    workers: 2,
    upstreams: {
      api: {
        targets: upstreams.map(({ url }) => ({ url })),
        circuitBreaker: { failureThreshold: 3 },
      },
    },
    routes: POLICIES.flatMap((onCoordinatorLost) => [
      {
        name: onCoordinatorLost,
        match: { path: `/${onCoordinatorLost}` },
        upstream: 'api',
        rateLimit: limited,
        onCoordinatorLost,
      },
      {
        name: `${onCoordinatorLost}-unlimited`,
        match: { path: `/${onCoordinatorLost}/unlimited` },
        upstream: 'api',
        onCoordinatorLost,
      },
    ]),
  });
  holdBackTheNext();
});

afterEach(async () => {
  await gateway.stop();
  await Promise.all(upstreams.map((upstream) => upstream.close()));
});

/** A coordinator that is to be started waits for `release`. */
function holdBackTheNext(): void {
  const { coordinator, lanes } = gateway.gateway.supervisor;
  const start = coordinator.start.bind(coordinator);
  coordinator.start = () =>
    new Promise((resolve) => {
      release = async () => {
        await start();
        for (const lane of lanes) lane.onCoordinatorRestarted();
        resolve();
      };
    });
}

async function readiness(): Promise<[number, unknown]> {
  const reply = await fetch(`http://127.0.0.1:${gateway.gateway.adminAddress.port}/readyz`);
  return [reply.status, await reply.json()];
}

async function counter(name: string): Promise<number> {
  return (await gateway.stats()).counters[name] ?? 0;
}

it('waits, goes on without limits, or refuses, as each route says, and keeps to limits again', async () => {
  const load = new Map(
    POLICIES.map((policy) => [policy, new Load(`${gateway.url}/${policy}`, 4)] as const),
  );
  const of = (policy: Policy): Load => {
    const one = load.get(policy);
    if (one === undefined) throw new Error('no load');
    return one;
  };
  await eventually('every limit is used up', () =>
    POLICIES.every((policy) => of(policy).count(429) > 20),
  );
  for (const policy of POLICIES) expect(of(policy).count(200)).toBe(LIMIT);
  expect(await readiness()).toEqual([200, { status: 'ready' }]);

  await gateway.gateway.supervisor.coordinator.kill();
  expect(await readiness()).toEqual([503, { status: 'no coordinator' }]);
  const enough = { wait: 20, open: 300, closed: 300 };
  await eventually('each route has seen it', () => {
    const isOpen = of('open').count(200) >= LIMIT + enough.open;
    return isOpen && (['wait', 'closed'] as const).every((p) => of(p).count(503) >= enough[p]);
  });
  for (const policy of ['wait', 'closed'] as const) {
    expect(of(policy).count(200)).toBe(LIMIT);
    for (const { status, body } of of(policy).others) {
      expect(status).toBe(503);
      expect(JSON.parse(body)).toMatchObject({ code: 'GW_COORDINATOR_UNAVAILABLE' });
    }
  }
  expect(of('open').count(503)).toBe(0);
  // Only who was asking when it died, and routes that wait, have waited in vain.
  const timeouts = await counter('ask_timeouts');
  expect(timeouts).toBeLessThanOrEqual(of('wait').count(503) + 4 * POLICIES.length);
  expect(await counter('open_admissions')).toBeGreaterThanOrEqual(enough.open);

  await release();
  await eventually('it is ready again', async () => (await readiness())[0] === 200);
  const before = new Map(POLICIES.map((policy) => [policy, of(policy).count(429)]));
  await eventually('every limit holds again', () =>
    POLICIES.every((policy) => of(policy).count(429) > (before.get(policy) ?? 0) + 100),
  );
  const admittedOpen = of('open').count(200);
  const moreRefused = of('open').count(429) + 100;
  await eventually('more are refused', () => of('open').count(429) > moreRefused);
  // What went through meanwhile was not counted; what had been counted before is not forgotten.
  expect(of('open').count(200)).toBe(admittedOpen);
  for (const one of load.values()) await one.stop();
  await gateway.nothingInFlight();
});

it('tries again at another target while it is lost, or gives the last answer, as each route says', async () => {
  isKeeping = true;
  const replies = POLICIES.map(async (policy) => {
    const reply = await fetch(`${gateway.url}/${policy}/unlimited`);
    return { policy, status: reply.status, body: await reply.text() };
  });
  await eventually('the targets have all of them', () => kept.length === POLICIES.length);
  await gateway.gateway.supervisor.coordinator.kill();
  isKeeping = false;
  const timeouts = await counter('ask_timeouts');
  for (const response of kept) response.destroy();
  const [wait, open, closed] = await Promise.all(replies);
  expect(open).toMatchObject({ status: 200, body: 'ok' });
  expect(wait?.status).toBe(502);
  expect(closed?.status).toBe(502);
  expect(await counter('ask_timeouts')).toBe(timeouts + 1);
  expect(await counter('open_admissions')).toBe(1);
  expect(await counter('retries')).toBe(1);
  await release();
  await eventually('requests are decided upon again', async () => {
    return (await fetch(`${gateway.url}/wait/unlimited`)).status === 200;
  });
  await gateway.nothingInFlight();
});

it('hides a dead target on an open route, though no breaker can open', async () => {
  await gateway.gateway.supervisor.coordinator.kill();
  await upstreams[0]?.close();
  const statuses = new Set<number>();
  // As many as the retry budgets allow for.
  for (let sent = 0; sent < 8; sent += 1) {
    const reply = await fetch(`${gateway.url}/open/unlimited`);
    statuses.add(reply.status);
    await reply.text();
  }
  expect([...statuses]).toEqual([200]);
  expect(await counter('retries')).toBeGreaterThan(0);
  await release();
  await eventually('what failed meanwhile is told, and opens the breaker', async () => {
    return Object.values((await gateway.stats()).circuit_breakers).includes('OPEN');
  });
});
