/**
 * Refusals by a limit that the acceptor gives again: to the client, to the log and to the figures
 * each is what a worker would have made of it, and none comes that a worker would not give.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { GatewayConfig } from '../../src/index.js';
import { TYPE_WINDOW_UPDATE } from '../../src/wire/http2/frame-kinds.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { Http2Client } from '../support/http2-client.js';
import { frame, number32 } from '../support/http2-frames.js';
import { InProcessGateway } from '../support/in-process-gateway.js';
import { ReplyStream, type StreamReply } from '../support/reply-stream.js';

interface Figures {
  readonly counters: Readonly<Record<string, number>>;
  readonly event_loops: readonly { readonly dropped_log_lines: number }[];
  readonly limits: readonly { readonly limit: string; readonly refused: number }[];
}

const QUIET = {
  listen: { port: 0, engine: 'wire', protocols: ['http1', 'h2c'] },
  admin: { port: 0 },
} as const;
/** More than any flood of this test uses up. */
const PLENTY = 100_000_000;
const REQUEST_ID = /^[0-9a-f]{12}-[0-9a-f]{8}$/;

let upstream: FakeUpstream;
const streams: ReplyStream[] = [];

beforeAll(async () => {
  upstream = await FakeUpstream.start((_, response) => response.end('ok'));
});

afterAll(async () => {
  await upstream.close();
});

afterEach(() => {
  for (const stream of streams.splice(0)) stream.close();
});

function requestOf(path: string, more = '', method = 'GET'): string {
  return `${method} ${path} HTTP/1.1\r\nHost: gateway.test\r\nUser-Agent: a test\r\n${more}\r\n`;
}

function configOf(limit: number, more: Partial<GatewayConfig> = {}): GatewayConfig {
  const rateLimit = { limit, window: '24h', key: 'clientIp' };
  return {
    ...QUIET,
    logging: { level: 'silent', accessLog: false },
    workers: 1,
    upstreams: { api: { targets: [{ url: upstream.url }] } },
    routes: [
      { name: 'few', match: { path: '/few' }, upstream: 'api', rateLimit },
      { name: 'fewer', match: { path: '/fewer' }, respond: { body: 'ok' }, rateLimit },
    ],
    ...more,
  } as GatewayConfig;
}

async function open(port: number): Promise<ReplyStream> {
  const stream = await ReplyStream.open(port);
  streams.push(stream);
  return stream;
}

/** What does not differ from one reply of the same kind to the next. */
function constantParts({ status, fields, body }: StreamReply): unknown {
  const { date, 'x-request-id': id = '', 'x-response-time': time, ratelimit, ...rest } = fields;
  const { 'retry-after': after, ...others } = rest;
  expect(id).toMatch(REQUEST_ID);
  expect(Date.parse(date ?? '')).toBeGreaterThan(0);
  expect(time).toMatch(/^\d+\.\d{3}s$/);
  const seconds = Number(after);
  expect(seconds).toBeGreaterThan(86_000);
  expect(ratelimit).toBe(`"few";r=0;t=${seconds}`);
  return { status, others, body: body.replaceAll(id, 'ID') };
}

describe('a client that goes on over its limit', () => {
  let gateway: GatewayProcess;

  beforeAll(async () => {
    const more = { logging: { accessLog: { headers: ['user-agent'] } } };
    gateway = await GatewayProcess.start({ ...configOf(1, more as never) });
  });

  afterAll(async () => {
    await gateway.kill();
  });

  /** Figures and lines, once both tell of this many requests of all. */
  async function figuresOf(requests: number): Promise<Figures> {
    let seen = {};
    await eventually(`${requests} requests are counted and logged`, async () => {
      const { counters, event_loops: eventLoops } = await gateway.stats<Figures>();
      const lines = gateway.find('request').length;
      // A log that is too slow for a flood loses lines, and counts them.
      const dropped = eventLoops.reduce((sum, { dropped_log_lines: lost }) => sum + lost, 0);
      seen = { counted: counters['requests'], lines, dropped };
      return counters['requests'] === requests && lines + dropped === requests;
    }).catch((error: unknown) => {
      throw new Error(`${error}: ${JSON.stringify(seen)}`);
    });
    return gateway.stats<Figures>();
  }

  it('gets the same each time, and each is counted and logged once', async () => {
    const one = await open(gateway.port);
    const other = await open(gateway.port);
    const repeated = requestOf('/few');
    expect((await one.ask(repeated)).status).toBe(200);
    for (let turn = 0; turn < 15; turn += 1) {
      one.write(repeated.repeat(10));
      await one.reply(10 + turn * 10);
      // A head that the connection has not sent before is read by a worker.
      for (let at = 0; at < 10; at += 1) {
        await other.ask(requestOf('/few', `X-Turn: ${turn}-${at}\r\n`));
      }
    }
    const refused = [...one.replies.slice(1), ...other.replies];
    const [first] = refused;
    if (first === undefined) throw new Error('no reply');
    const expected = constantParts(first);
    for (const reply of refused) expect(constantParts(reply)).toEqual(expected);

    const { counters, limits } = await figuresOf(301);
    expect(counters).toMatchObject({ status_4xx: 300, rate_limited: 300 });
    expect(limits.find(({ limit }) => limit === 'few')).toMatchObject({ refused: 300 });
    const lines = gateway.find('request');
    const ids = [...one.replies, ...other.replies].map(({ fields }) => fields['x-request-id']);
    expect(new Set(ids).size).toBe(301);
    expect(lines.map(({ requestId }) => requestId).sort()).toEqual(ids.sort());
    const bytes = refused.map(({ body }) => body.length)[0];
    const shown = { route: 'few', status: 429, code: 'GW_RATE_LIMITED', end: 'complete', bytes };
    const sender = { clientIp: '127.0.0.1', headers: { 'user-agent': 'a test' } };
    for (const line of lines.filter(({ status }) => status === 429)) {
      expect(line).toMatchObject({ ...shown, ...sender, method: 'GET', target: '/few' });
      expect(line['durationMs']).toBeGreaterThanOrEqual(0);
    }
    const own = new Set(one.replies.map(({ fields }) => String(fields['x-request-id'])));
    const prefixes = new Set([...own].map((id) => id.slice(0, 12)));
    // It was no worker that has made most of them.
    expect(prefixes.size).toBe(2);
  });

  it('gets replies in order though it sends far ahead, and cuts heads anywhere', async () => {
    const before = (await gateway.stats<Figures>()).counters['requests'] ?? 0;
    const stream = await open(gateway.port);
    const text = [
      requestOf('/few').repeat(40),
      requestOf('/nowhere'),
      requestOf('/few').repeat(40),
      requestOf('/few', 'Connection: close\r\n'),
      requestOf('/few'),
    ].join('');
    for (let at = 0; at < text.length; at += 577) stream.write(text.slice(at, at + 577));
    await eventually('the connection is closed', () => stream.isClosed);
    const statuses = stream.replies.map(({ status }) => status);
    const repeated = Array.from({ length: 40 }, () => 429);
    expect(statuses).toEqual([...repeated, 404, ...repeated, 429]);
    expect(stream.replies.at(-1)?.fields['connection']).toBe('close');
    await figuresOf(before + 82);
  });

  it('gets the same over HTTP/2, on each stream its own', async () => {
    const before = (await gateway.stats<Figures>()).counters['requests'] ?? 0;
    const client = await Http2Client.connect(gateway.port);
    // Room for the replies of all rounds: on a crowded machine the first one is not enough.
    client.send(frame(TYPE_WINDOW_UPDATE, 0, 0, number32(1 << 20)));
    const ids: string[] = [];
    const makers = new Set<string>();
    // It was no worker that has made most of them.
    for (let round = 0; round < 20 && makers.size < 2; round += 1) {
      const first = 80 * round + 1;
      for (let stream = first; stream < first + 80; stream += 2) {
        client.send(client.head(stream, true, [['user-agent', 'a test']], 'GET', '/few'));
        // One by one: what has come before the first reply goes to the worker.
        await new Promise((resolve) => setImmediate(resolve));
      }
      for (let stream = first; stream < first + 80; stream += 2) {
        await client.ended(stream);
        const line = await client.until(new RegExp(`^headers ${stream} `));
        expect(line).toMatch(/^headers \d+ :status=429 /);
        const requestId = / x-request-id=(\S+)/.exec(line)?.[1] ?? '';
        const body: unknown = JSON.parse(client.bodies.get(stream) ?? '');
        expect(body).toMatchObject({ requestId, status: 429 });
        ids.push(requestId);
        makers.add(requestId.slice(0, 12));
      }
    }
    client.destroy();
    expect(makers.size).toBe(2);
    expect(new Set(ids).size).toBe(ids.length);
    await figuresOf(before + ids.length);
    const logged = gateway.find('request').map(({ requestId }) => requestId);
    expect(logged).toEqual(expect.arrayContaining(ids));
  });

  it('gets the same without a body where it asks by HEAD', async () => {
    const before = (await gateway.stats<Figures>()).counters['requests'] ?? 0;
    const stream = await open(gateway.port);
    stream.isHead = true;
    const request = requestOf('/few', '', 'HEAD');
    for (let turn = 0; turn < 30; turn += 1) await stream.ask(request);
    const parts = stream.replies.map(constantParts);
    for (const part of parts) expect(part).toEqual(parts[0]);
    await figuresOf(before + 30);
  });

  it('may stop reading: what it is owed is bounded, and others go on', async () => {
    const before = (await gateway.stats<Figures>()).counters['requests'] ?? 0;
    const slow = await open(gateway.port);
    slow.socket.pause();
    const flood = requestOf('/few').repeat(20_000);
    slow.write(flood);
    const other = await open(gateway.port);
    for (let turn = 0; turn < 20; turn += 1) {
      expect((await other.ask(requestOf('/few'))).status).toBe(429);
    }
    slow.socket.resume();
    await slow.reply(19_999);
    await figuresOf(before + 20_020);
    expect(new Set(slow.replies.map(({ fields }) => fields['x-request-id'])).size).toBe(20_000);
  });
});

describe('a refusal that holds no more', () => {
  let gateway: InProcessGateway;
  let limit = 1;

  beforeAll(async () => {
    gateway = await InProcessGateway.start({ ...configOf(limit) });
  });

  afterAll(async () => {
    await gateway.stop();
  });

  /** Sends the same request over and over until it is told to stop. */
  async function flood(stream: ReplyStream, isOver: () => boolean): Promise<void> {
    while (!isOver()) await stream.ask(requestOf('/few'));
  }

  it('is not given again once a higher limit is in force', async () => {
    const stream = await open(gateway.port);
    for (let turn = 0; turn < 10; turn += 1) {
      let isOver = false;
      const running = flood(stream, () => isOver);
      const { length } = stream.replies;
      await eventually('it is refused', () => stream.replies.slice(length).at(-1)?.status === 429);
      limit = PLENTY;
      const result = await gateway.gateway.apply(configOf(limit));
      expect(result).toMatchObject({ outcome: 'applied' });
      isOver = true;
      await running;
      expect((await stream.ask(requestOf('/few'))).status).toBe(200);
      limit = 1;
      await gateway.gateway.apply(configOf(limit));
    }
  });

  it('is counted all the same where its worker dies', async () => {
    const before = (await gateway.stats<Figures>()).counters;
    const streams = await Promise.all(Array.from({ length: 4 }, () => open(gateway.port)));
    let isOver = false;
    const running = streams.map((stream) => flood(stream, () => isOver));
    for (let death = 1; death <= 3; death += 1) {
      const { length } = streams[0]?.replies ?? [];
      await eventually('it is refused', () => (streams[0]?.replies.length ?? 0) > length + 50);
      await gateway.gateway.supervisor.laneAt(0).kill();
      await eventually('a worker serves', async () => {
        const { workers } = await gateway.stats();
        return workers.every(({ served }) => served);
      });
    }
    isOver = true;
    await Promise.all(running);
    const sent = streams.reduce((sum, { replies }) => sum + replies.length, 0);
    await eventually('all are counted', async () => {
      const { counters } = await gateway.stats<Figures>();
      return (counters['requests'] ?? 0) - (before['requests'] ?? 0) >= sent;
    });
    const { counters } = await gateway.stats<Figures>();
    expect((counters['requests'] ?? 0) - (before['requests'] ?? 0)).toBe(sent);
  });
});
