import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { FakeUpstream, type Script } from '../support/fake-upstream.js';
import { GatewayProcess, type LogRecord } from '../support/gateway-process.js';

/** The breaker stays out of what is not about it. */
const NO_BREAKER = { circuitBreaker: { failureThreshold: 1000 } };
const KIB = 1024;
/** Routes that are named like their upstreams. */
const PREFIXES = [
  ...['half', 'by-default', 'resets', 'on-503', 'half-on-503', 'open-small', 'open-large'],
  ...['outage', 'slow', 'hedged'],
];

let bad: FakeUpstream;
let good: FakeUpstream;
let gateway: GatewayProcess;

beforeAll(async () => {
  bad = await FakeUpstream.start();
  good = await FakeUpstream.start();
  const dead = await closedUrl();
  const both = [{ url: bad.url }, { url: good.url }];
  const half = [{ url: dead }, { url: good.url }];
  const plenty = { budgetPercent: 100, minConcurrency: 100, backOff: { base: '0s', max: '0s' } };
  const opening = {
    targets: [{ url: bad.url }, { url: dead }],
    circuitBreaker: { failureThreshold: 1 },
    retry: { ...plenty, on: ['gatewayError'] },
  };
  gateway = await GatewayProcess.start({
    workers: 1,
    upstreams: {
      half: { targets: half, ...NO_BREAKER, retry: plenty },
      'by-default': { targets: both, ...NO_BREAKER },
      resets: { targets: both, ...NO_BREAKER, retry: plenty },
      'on-503': { targets: both, ...NO_BREAKER, retry: { ...plenty, on: [503] } },
      'one-on-503': { targets: [{ url: bad.url }], ...NO_BREAKER, retry: { ...plenty, on: [503] } },
      'half-on-503': {
        targets: [{ url: bad.url }, { url: dead }],
        ...NO_BREAKER,
        retry: { ...plenty, on: ['gatewayError'] },
      },
      'open-small': opening,
      'open-large': opening,
      outage: { targets: both, ...NO_BREAKER, retry: { attempts: 3, on: ['gatewayError'] } },
      slow: {
        targets: both,
        ...NO_BREAKER,
        timeouts: { perTry: '100ms' },
        retry: { ...plenty, attempts: 2, on: ['timeout'] },
      },
      hedged: {
        targets: both,
        ...NO_BREAKER,
        hedge: { after: '20ms' },
        retry: { ...plenty, attempts: 0 },
      },
    },
    routes: [
      ...PREFIXES.map((name) => ({ name, match: { path: `/${name}/*` }, upstream: name })),
      {
        name: 'one-on-503',
        match: { path: '/one-on-503/*' },
        upstream: 'one-on-503',
        timeout: '5s',
      },
      { name: 'deadline', match: { path: '/deadline' }, upstream: 'slow', timeout: '150ms' },
    ],
  });
});

afterAll(async () => {
  await gateway.stop();
  await bad.close();
  await good.close();
});

beforeEach(() => {
  for (const one of [bad, good]) {
    one.received.length = 0;
    one.headCount = 0;
    one.abortedCount = 0;
    one.script = (request, response) => one.echo(request, response);
  }
});

/** The address of a port that nobody listens on. */
async function closedUrl(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

/** Reads the whole request, then closes the connection without a word. */
function resetting(origin: FakeUpstream): Script {
  return (request) => origin.keep(request, () => request.socket.destroy());
}

function unavailable(body: string | Buffer, fields: Record<string, string> = {}): Script {
  return (request, response) => {
    request.resume();
    response.writeHead(503, { 'content-length': Buffer.byteLength(body), ...fields });
    response.end(body);
  };
}

const silent: Script = () => {};

async function statusesOf(path: string, count: number, init?: RequestInit): Promise<number[]> {
  const statuses: number[] = [];
  for (let done = 0; done < count; done += 1) {
    const reply = await fetch(`${gateway.url}${path}`, init);
    await reply.arrayBuffer();
    statuses.push(reply.status);
  }
  return statuses;
}

function accessRecordsOf(route: string): LogRecord[] {
  return gateway.find('request').filter((record) => record['route'] === route);
}

async function counters(): Promise<Record<string, number>> {
  return (await gateway.stats())['counters'] as Record<string, number>;
}

describe('a target that cannot be reached', () => {
  it.each(['GET', 'POST'])('is passed over by a %s, of which nothing was sent', async (method) => {
    const init = method === 'POST' ? { method, body: 'paid once' } : { method };
    expect(await statusesOf('/half/x', 4, init)).toEqual([200, 200, 200, 200]);
    expect(good.received).toHaveLength(4);
    if (method === 'POST') expect(good.received[3]?.body.toString()).toBe('paid once');
  });

  it('is passed over by an upload that streams, and not a byte is lost', async () => {
    const bytes = randomBytes(900 * KIB);
    for (let done = 0; done < 2; done += 1) {
      const pieces = Array.from({ length: 9 }, (_, at) =>
        bytes.subarray(at * 100 * KIB, (at + 1) * 100 * KIB),
      );
      const reply = await fetch(`${gateway.url}/half/x`, {
        method: 'POST',
        body: Readable.toWeb(Readable.from(pieces)) as ReadableStream,
        duplex: 'half',
      } as RequestInit);
      expect(reply.status).toBe(200);
      await reply.arrayBuffer();
    }
    expect(good.received.map((received) => received.body.equals(bytes))).toEqual([true, true]);
  });

  it('shows in the access records as a second try', async () => {
    await statusesOf('/half/x', 2);
    await statusesOf('/by-default/x', 1);
    await eventually(
      'the records have been written',
      () => accessRecordsOf('by-default').length > 0,
    );
    expect(accessRecordsOf('half').some((record) => record['tries'] === 2)).toBe(true);
    expect(accessRecordsOf('by-default')[0]?.['tries']).toBe(1);
  });
});

describe('a target that closes the connection instead of replying', () => {
  it('is passed over by a GET, also when the configuration says nothing of retries', async () => {
    bad.script = resetting(bad);
    expect(await statusesOf('/by-default/x', 2)).toEqual([200, 200]);
    expect(await statusesOf('/resets/x', 4)).toEqual([200, 200, 200, 200]);
    expect(bad.received.length).toBeGreaterThan(0);
  });

  it('costs a POST, which may have been carried out', async () => {
    bad.script = resetting(bad);
    const statuses = await statusesOf('/resets/x', 4, { method: 'POST', body: 'x' });
    expect(statuses.sort()).toEqual([200, 200, 502, 502]);
    expect(bad.received).toHaveLength(2);
    expect(good.received).toHaveLength(2);
  });

  it('does not keep a body of 64 KiB from arriving byte for byte, and no longer one', async () => {
    bad.script = resetting(bad);
    const bytes = randomBytes(64 * KIB);
    const put = { method: 'PUT', body: bytes };
    expect(await statusesOf('/resets/x', 2, put)).toEqual([200, 200]);
    expect(good.received.map((received) => received.body.equals(bytes))).toEqual([true, true]);
    const longer = { method: 'PUT', body: randomBytes(64 * KIB + 1) };
    const statuses = await statusesOf('/resets/x', 2, longer);
    expect(statuses.sort()).toEqual([200, 502]);
  });
});

describe('a status that is to be retried', () => {
  it('does not reach the client when another target has a better one', async () => {
    bad.script = unavailable('no');
    expect(await statusesOf('/on-503/x', 4)).toEqual([200, 200, 200, 200]);
    expect(bad.headCount).toBeGreaterThan(0);
  });

  it('reaches the client when it was not named, and after a POST', async () => {
    bad.script = unavailable('no');
    expect((await statusesOf('/by-default/x', 2)).sort()).toEqual([200, 503]);
    const post = { method: 'POST', body: 'x' };
    expect((await statusesOf('/on-503/x', 2, post)).sort()).toEqual([200, 503]);
  });

  it('reaches the client unchanged when every target has it', async () => {
    const body = randomBytes(300 * KIB);
    bad.script = unavailable(body, { 'x-from': 'origin' });
    good.script = unavailable(body, { 'x-from': 'origin' });
    const reply = await fetch(`${gateway.url}/on-503/x`);
    expect(reply.status).toBe(503);
    expect(reply.headers.get('x-from')).toBe('origin');
    expect(Buffer.from(await reply.arrayBuffer()).equals(body)).toBe(true);
    expect(bad.headCount + good.headCount).toBe(2);
  });

  it('is given when the other target cannot even be reached', async () => {
    bad.script = unavailable('come later', { 'x-from': 'origin' });
    const replies: string[] = [];
    for (let done = 0; done < 2; done += 1) {
      const reply = await fetch(`${gateway.url}/half-on-503/x`);
      replies.push(`${reply.status} ${await reply.text()}`);
    }
    expect(replies).toContain('503 come later');
  });

  it.each([
    ['open-small', 10],
    ['open-large', 300 * KIB],
  ])('is given whole when no target is left (%s, %i bytes)', async (route, size) => {
    await eventually('the breaker of the dead target is open', async () => {
      await statusesOf(`/${route}/x`, 1);
      const targets = (await gateway.stats())['targets'] as Record<string, unknown>[];
      return targets.some((one) => one['upstream'] === route && one['circuit_breaker'] === 'OPEN');
    });
    const body = randomBytes(size);
    bad.script = unavailable(body);
    const reply = await fetch(`${gateway.url}/${route}/x`);
    expect(reply.status).toBe(503);
    expect(Buffer.from(await reply.arrayBuffer()).equals(body)).toBe(true);
  });
});

describe('Retry-After of a target', () => {
  it('is waited for before the next try', async () => {
    const arrivals: number[] = [];
    bad.script = (request, response) => {
      arrivals.push(performance.now());
      if (arrivals.length > 1) bad.echo(request, response);
      else unavailable('wait', { 'retry-after': '1' })(request, response);
    };
    expect(await statusesOf('/one-on-503/x', 1)).toEqual([200]);
    const [first = 0, second = 0] = arrivals;
    // Not how long it took, but that it was not earlier than asked.
    expect(second - first).toBeGreaterThanOrEqual(999);
  });

  it('goes to the client with its reply when the deadline of the route comes first', async () => {
    bad.script = unavailable('wait', { 'retry-after': '60' });
    const reply = await fetch(`${gateway.url}/one-on-503/x`);
    expect(reply.status).toBe(503);
    expect(reply.headers.get('retry-after')).toBe('60');
    expect(await reply.text()).toBe('wait');
    expect(bad.headCount).toBe(1);
  });
});

describe('the retry budget', () => {
  it('holds during an outage, also with many requests at once', async () => {
    const before = await counters();
    bad.script = unavailable('no');
    good.script = unavailable('no');
    const rounds = Array.from({ length: 10 }, () => statusesOf('/outage/x', 10));
    const statuses = (await Promise.all(rounds)).flat();
    expect(new Set(statuses)).toEqual(new Set([503]));
    const tries = bad.headCount + good.headCount;
    expect(tries).toBeGreaterThan(100);
    expect(tries).toBeLessThanOrEqual(100 * 1.2 + 3);
    const after = await counters();
    const retries = (after['retries'] ?? 0) - (before['retries'] ?? 0);
    expect(retries).toBe(tries - 100);
    expect(after['retry_budget_exhausted']).toBeGreaterThan(before['retry_budget_exhausted'] ?? 0);
  });
});

describe('a target that does not answer', () => {
  it('is given up after the time of one try', async () => {
    bad.script = silent;
    expect(await statusesOf('/slow/x', 2)).toEqual([200, 200]);
    await eventually('its request was ended', () => bad.abortedCount > 0);
  });

  it('ends with 504 when the deadline of the route comes, whatever tries are left', async () => {
    bad.script = silent;
    good.script = silent;
    const reply = await fetch(`${gateway.url}/deadline`);
    expect(reply.status).toBe(504);
    expect(await reply.json()).toMatchObject({ code: 'GW_ROUTE_TIMEOUT' });
    await eventually(
      'no request is left',
      () => bad.abortedCount + good.abortedCount === bad.headCount + good.headCount,
    );
  });

  it('is overtaken by a hedge, and its request is ended', async () => {
    const before = await counters();
    bad.script = silent;
    expect(await statusesOf('/hedged/x', 4)).toEqual([200, 200, 200, 200]);
    await eventually(
      'the slow ones were ended',
      () => bad.headCount > 0 && bad.abortedCount === bad.headCount,
    );
    expect(((await counters())['hedges'] ?? 0) - (before['hedges'] ?? 0)).toBe(bad.headCount);
  });

  it('is not hedged with a request that may not be carried out twice', async () => {
    bad.script = (request, response) => {
      setTimeout(() => bad.echo(request, response), 150);
    };
    const post = { method: 'POST', body: 'x' };
    expect(await statusesOf('/hedged/x', 2, post)).toEqual([200, 200]);
    expect(bad.headCount).toBe(1);
    expect(good.headCount).toBe(1);
  });
});

describe('a client that leaves', () => {
  it.each(['/slow/x', '/hedged/x'])('leaves no try behind at %s', async (path) => {
    bad.script = silent;
    good.script = silent;
    const leaving = new AbortController();
    const reply = fetch(`${gateway.url}${path}`, { signal: leaving.signal });
    await eventually('two tries were made', () => bad.headCount + good.headCount >= 2);
    leaving.abort();
    await expect(reply).rejects.toThrow();
    await eventually(
      'both have ended',
      () => bad.abortedCount + good.abortedCount === bad.headCount + good.headCount,
    );
    await eventually(
      'nothing is in flight',
      async () => (await gateway.stats())['in_flight'] === 0,
    );
  });
});

it('has every try settled at the end', async () => {
  await eventually('no target has one in flight', async () => {
    const targets = (await gateway.stats())['targets'] as { in_flight: number }[];
    return targets.every((target) => target.in_flight === 0);
  });
});

it('says nothing of errors of its own', () => {
  expect(gateway.records().filter((record) => record.msg === 'internal error')).toEqual([]);
});
