/**
 * What the coordinator decides, seen from outside: limits, breakers and turns, over real HTTP and
 * several workers.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { aConfig } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { InProcessGateway } from '../support/in-process-gateway.js';
import { Load, type LoadReply } from '../support/load.js';

const quick = (_request: IncomingMessage, response: ServerResponse): void => {
  response.end('ok');
};
const failing = (_request: IncomingMessage, response: ServerResponse): void => {
  response.writeHead(500).end('no');
};

let upstreams: FakeUpstream[] = [];
let gateway: InProcessGateway;

afterEach(async () => {
  await gateway.stop();
  await Promise.all(upstreams.map((upstream) => upstream.close()));
});

async function start(
  targets: number,
  workers: number,
  overrides: Parameters<typeof aConfig>[1] = {},
): Promise<void> {
  upstreams = await Promise.all(Array.from({ length: targets }, () => FakeUpstream.start(quick)));
  const urls = upstreams.map((upstream) => upstream.url);
  gateway = await InProcessGateway.start(aConfig(urls, { ...overrides, top: { workers } }));
}

function target(index: number): FakeUpstream {
  const upstream = upstreams[index];
  if (upstream === undefined) throw new Error(`no target ${index}`);
  return upstream;
}

async function get(): Promise<{ status: number; headers: Headers; body: string }> {
  const reply = await fetch(gateway.url);
  return { status: reply.status, headers: reply.headers, body: await reply.text() };
}

async function breaker(index: number): Promise<string | undefined> {
  const { circuit_breakers: breakers } = await gateway.stats();
  return breakers[`127.0.0.1:${target(index).port}`];
}

describe('a limit of 100 in 10 seconds, hammered over four workers', () => {
  it('admits exactly 100, and exactly 100 more once those have left the window', async () => {
    const rateLimit = { limit: 100, window: '10s', algorithm: 'slidingWindow', key: 'route' };
    await start(1, 4, { route: { rateLimit } });
    const refusals: LoadReply[] = [];
    const remaining: number[] = [];
    const load = new Load(gateway.url, 64, (reply) => {
      if (reply.status === 429 && refusals.length < 500) refusals.push(reply);
      if (reply.status === 200) {
        const { ratelimit, 'ratelimit-policy': policy } = reply.headers;
        expect(policy).toBe('"all";q=100;w=10');
        remaining.push(Number(/^"all";r=(\d+);t=\d+$/.exec(String(ratelimit))?.[1]));
      }
    });
    await eventually('many are refused', () => load.count(429) >= 500);
    await eventually('those let in are answered', () => load.count(200) >= 100);
    expect(load.count(200)).toBe(100);
    // Each admission is told of once: what was left counts down without a gap or a double.
    expect([...remaining].sort((a, b) => b - a)).toEqual(
      Array.from({ length: 100 }, (_, n) => 99 - n),
    );
    await eventually('the next hundred are in', () => load.count(200) >= 200);
    const refused = load.count(429);
    await eventually('many more are refused', () => load.count(429) >= refused + 500);
    expect(load.count(200)).toBe(200);
    await load.stop();
    expect(target(0).headCount).toBe(200);
    expect(load.others).toEqual([]);
    for (const { headers, body } of refusals) {
      expect(Number(headers['retry-after'])).toBeGreaterThanOrEqual(1);
      expect(Number(headers['retry-after'])).toBeLessThanOrEqual(11);
      expect(headers['ratelimit-policy']).toBe('"all";q=100;w=10');
      expect(headers['ratelimit']).toMatch(/^"all";r=0;t=\d+$/);
      expect(headers['content-type']).toBe('application/problem+json');
      expect(JSON.parse(body)).toMatchObject({ status: 429, code: 'GW_RATE_LIMITED' });
    }
  });
});

describe('a circuit breaker', () => {
  const circuitBreaker = {
    failureThreshold: 5,
    failureOn: ['timeout', '5xx'],
    openFor: '1s',
    halfOpenRequests: 1,
  };

  async function trip(): Promise<void> {
    target(0).script = failing;
    for (let failure = 0; failure < 5; failure++) expect((await get()).status).toBe(500);
    await eventually('the breaker is open', async () => (await breaker(0)) === 'OPEN');
    expect(target(0).headCount).toBe(5);
  }

  it('opens at the fifth failure in a row, and the target is left alone', async () => {
    await start(1, 2, { upstream: { circuitBreaker: { ...circuitBreaker, openFor: '60s' } } });
    target(0).script = failing;
    for (let failure = 0; failure < 4; failure++) await get();
    target(0).script = quick;
    expect((await get()).status).toBe(200);
    target(0).headCount = 0;
    await trip();
    for (let count = 0; count < 20; count++) {
      const { status, headers, body } = await get();
      expect(status).toBe(503);
      expect(JSON.parse(body)).toMatchObject({ title: 'Circuit open', code: 'GW_CIRCUIT_OPEN' });
      expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
      expect(Number(headers.get('retry-after'))).toBeLessThanOrEqual(60);
    }
    expect(target(0).headCount).toBe(5);
    expect((await gateway.stats()).counters['circuit_open']).toBe(20);
  });

  it("opens at the fifth failure in a row of connections, for an upstream's only target", async () => {
    await start(1, 2, { upstream: { circuitBreaker: { openFor: '60s' } } });
    target(0).script = failing;
    for (let failure = 0; failure < 20; failure++) expect((await get()).status).toBe(500);
    expect(await breaker(0)).toBe('CLOSED');
    target(0).script = ({ socket }) => socket.destroy();
    for (let failure = 0; failure < 5; failure++) expect((await get()).status).toBe(502);
    await eventually('the breaker is open', async () => (await breaker(0)) === 'OPEN');
    expect((await get()).status).toBe(503);
  });

  it('tries one request after its rest: a failure opens it again, a success closes it', async () => {
    await start(1, 2, { upstream: { circuitBreaker } });
    await trip();
    await eventually('a probe comes through', async () => (await get()).status === 500);
    expect(target(0).headCount).toBe(6);
    await eventually('it is open again', async () => (await breaker(0)) === 'OPEN');
    expect((await get()).status).toBe(503);
    expect(target(0).headCount).toBe(6);
    let probe: ServerResponse | undefined;
    target(0).script = (_request, response) => {
      probe = response;
    };
    let lastStatus = 0;
    await eventually('the next probe is at the target', () => {
      // Not awaited: the probe itself hangs.
      void get().then(({ status }) => {
        lastStatus = status;
      });
      return probe !== undefined;
    });
    const others = await Promise.all(Array.from({ length: 10 }, get));
    expect(others.map(({ status }) => status)).toEqual(new Array(10).fill(503));
    expect(target(0).headCount).toBe(7);
    expect(await breaker(0)).toBe('HALF_OPEN');
    target(0).script = quick;
    probe?.end('well again');
    await eventually('the probe is answered', () => lastStatus === 200);
    await eventually('it is closed', async () => (await breaker(0)) === 'CLOSED');
    expect((await get()).status).toBe(200);
  });

  it('is not moved by clients that leave', async () => {
    await start(1, 1, { upstream: { circuitBreaker } });
    target(0).script = () => {};
    for (let count = 1; count <= 10; count++) {
      const leave = new AbortController();
      const reply = fetch(gateway.url, { signal: leave.signal });
      await eventually('the target has it', () => target(0).headCount === count);
      leave.abort();
      await expect(reply).rejects.toThrow();
    }
    await gateway.nothingInFlight();
    expect(await breaker(0)).toBe('CLOSED');
  });
});

describe('round robin over three targets', () => {
  it('gives each its turn, strictly, to requests one after the other', async () => {
    await start(3, 2);
    const turns: number[] = [];
    upstreams.forEach((upstream, index) => {
      upstream.script = (request, response) => {
        turns.push(index);
        quick(request, response);
      };
    });
    for (let count = 0; count < 30; count++) await get();
    const first = turns[0] ?? 0;
    expect(turns).toEqual(Array.from({ length: 30 }, (_, turn) => (first + turn) % 3));
  });

  it('gives each the same under load', async () => {
    await start(3, 2);
    const load = new Load(gateway.url, 32);
    await eventually('there were many', () => load.replies >= 1500);
    await load.stop();
    const shares = upstreams.map((upstream) => upstream.headCount);
    expect(shares.reduce((sum, share) => sum + share)).toBe(load.count(200));
    expect(Math.max(...shares) - Math.min(...shares)).toBeLessThan(load.replies * 0.1);
  });

  it('leaves out a dead target once its breaker is open', async () => {
    // Without retries, so that each failure is seen.
    await start(3, 2, { upstream: { retry: { attempts: 0 } } });
    await target(1).close();
    const statuses = new Map<number, number>();
    await eventually('the breaker is open', async () => {
      const { status } = await get();
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      return (await breaker(1)) === 'OPEN';
    });
    expect([...statuses.keys()].sort()).toEqual([200, 502]);
    expect(statuses.get(502)).toBe(5);
    const before = upstreams.map((upstream) => upstream.headCount);
    for (let count = 0; count < 60; count++) expect((await get()).status).toBe(200);
    const after = upstreams.map((upstream, index) => upstream.headCount - (before[index] ?? 0));
    expect(after[1]).toBe(0);
    expect(Math.abs((after[0] ?? 0) - (after[2] ?? 0))).toBeLessThanOrEqual(2);
  });
});
