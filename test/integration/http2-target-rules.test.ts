/**
 * What decides about targets, where they speak HTTP/2: health checks, breakers, balancing by
 * streams, ejection, pins. One gateway with an upstream for each rule; real servers of Node.
 */
import { createHash, X509Certificate } from 'node:crypto';
import {
  createSecureServer,
  createServer,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { makeCertificate } from '../support/test-certificate.js';

const certificate = makeCertificate();

/** A target that answers by its own number, unless the test says otherwise for a route. */
class Origin {
  /** By the first segment of the path. */
  readonly scripts = new Map<string, (stream: ServerHttp2Stream) => void>();
  health = 200;
  private readonly sessions = new Set<ServerHttp2Session>();

  constructor(
    private readonly server: Http2Server,
    readonly index: number,
  ) {
    server.on('session', (session) => {
      this.sessions.add(session);
      session.on('close', () => this.sessions.delete(session)).on('error', () => {});
    });
    server.on('stream', (stream, headers) => {
      stream.on('error', () => {});
      const path = String(headers[':path']);
      if (path === '/health') answer(stream, this.health, '');
      else {
        const script = this.scripts.get(path.split('/')[1] ?? '');
        if (script === undefined) answer(stream, 200, String(index));
        else script(stream);
      }
    });
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
  }

  get authority(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): void {
    for (const session of this.sessions) session.destroy();
    this.server.close();
  }
}

function answer(stream: ServerHttp2Stream, status: number, body: string): void {
  stream.respond({ ':status': status });
  stream.end(body);
}

const clear = [0, 1].map((index) => new Origin(createServer(), index));
const secure = [0, 1].map(
  (index) => new Origin(createSecureServer({ ...certificate }) as unknown as Http2Server, index),
);
const CHECK = { type: 'http', path: '/health', interval: '100ms', timeout: '5s' };
const RULES = {
  health: { healthCheck: CHECK },
  breaker: { circuitBreaker: { failureThreshold: 3, openFor: '60s' } },
  reset: { circuitBreaker: { failureThreshold: 3, openFor: '60s' } },
  least: { loadBalancing: { policy: 'leastRequest' } },
  outlier: {
    circuitBreaker: { failureThreshold: 1000 },
    outlierDetection: { consecutive5xx: 3, baseEjectionTime: '1s' },
  },
};
type Rule = keyof typeof RULES;
const TLS = { ca: certificate.cert };
let gateway: GatewayProcess;

beforeAll(async () => {
  for (const origin of [...clear, ...secure]) await origin.start();
  const targets = (origins: readonly Origin[], scheme: string) =>
    origins.map(({ authority }) => ({ url: `${scheme}://${authority}` }));
  const upstreams: Record<string, object> = {};
  for (const [rule, settings] of Object.entries(RULES)) {
    const common = { retry: { attempts: 0 }, ...settings };
    const single = rule === 'breaker' || rule === 'reset' ? 1 : 2;
    const inClear = { targets: targets(clear.slice(0, single), 'http'), protocol: 'h2c' };
    const overTls = {
      targets: targets(secure.slice(0, single), 'https'),
      protocol: 'h2',
      tls: TLS,
    };
    upstreams[`h2c-${rule}`] = { ...inClear, ...common };
    upstreams[`h2-${rule}`] = { ...overTls, ...common };
  }
  const key = new X509Certificate(certificate.cert).publicKey;
  const pin = createHash('sha256').update(key.export({ type: 'spki', format: 'der' }));
  const other = createHash('sha256').update('another key');
  for (const [name, hash] of [['pinned', pin] as const, ['wrong', other] as const]) {
    const tls = { ...TLS, pins: [hash.digest('base64')] };
    const { authority } = secure[0] ?? { authority: '' };
    upstreams[name] = { targets: [{ url: `https://${authority}` }], protocol: 'h2', tls };
  }
  gateway = await GatewayProcess.start({
    listen: { port: 0 },
    workers: 1,
    logging: { accessLog: false },
    upstreams,
    routes: Object.keys(upstreams).map((name) => ({
      ...{ name, match: { path: `/${name}/*` }, upstream: name },
    })),
  });
});

afterAll(async () => {
  await gateway.stop();
  for (const origin of [...clear, ...secure]) origin.stop();
});

interface Reply {
  readonly status: number;
  readonly text: string;
}

async function get(name: string): Promise<Reply> {
  const reply = await fetch(`${gateway.url}/${name}/`);
  return { status: reply.status, text: await reply.text() };
}

describe.each([
  ['h2c', clear],
  ['h2', secure],
] as const)('targets with protocol %s', (protocol, origins) => {
  const nameOf = (rule: Rule): string => `${protocol}-${rule}`;

  async function rowOf(rule: Rule, index: number): Promise<Record<string, unknown>> {
    const { targets } = await gateway.stats<{ targets: Record<string, unknown>[] }>();
    const found = targets.find(
      (one) => one['upstream'] === nameOf(rule) && one['target'] === origins[index]?.authority,
    );
    if (found === undefined) throw new Error(`no target ${index} of ${rule}`);
    return found;
  }

  const untilState = (rule: Rule, index: number, state: string): Promise<void> =>
    eventually(`target ${index} is ${state}`, async () => {
      return (await rowOf(rule, index))['state'] === state;
    });

  function play(rule: Rule, index: number, script: (stream: ServerHttp2Stream) => void): void {
    origins[index]?.scripts.set(nameOf(rule), script);
  }

  const stopPlaying = (rule: Rule): void => {
    for (const origin of origins) origin.scripts.delete(nameOf(rule));
  };

  /** Who answers this many requests, one after the other. */
  async function picks(rule: Rule, count: number): Promise<number[]> {
    const counts = origins.map(() => 0);
    for (let sent = 0; sent < count; sent += 1) {
      const index = Number((await get(nameOf(rule))).text);
      counts[index] = (counts[index] ?? 0) + 1;
    }
    return counts;
  }

  it('are taken out by a health check, and come back', async () => {
    const [first] = origins;
    if (first === undefined) throw new Error('no origin');
    first.health = 503;
    await untilState('health', 0, 'unhealthy');
    expect(await picks('health', 6)).toEqual([0, 6]);
    first.health = 200;
    await untilState('health', 0, 'available');
    expect(await picks('health', 6)).toEqual([3, 3]);
  });

  it('have a breaker that streams trip which are reset', async () => {
    play('reset', 0, (stream) => stream.close(2));
    for (let sent = 0; sent < 3; sent += 1) expect((await get(nameOf('reset'))).status).toBe(502);
    await eventually('it is open', async () => {
      return (await rowOf('reset', 0))['circuit_breaker'] === 'OPEN';
    });
    stopPlaying('reset');
    const { status, text } = await get(nameOf('reset'));
    expect([status, JSON.parse(text).code]).toEqual([503, 'GW_CIRCUIT_OPEN']);
  });

  it('keep their breaker closed while they answer, with whatever status', async () => {
    play('breaker', 0, (stream) => answer(stream, 404, 'none'));
    for (let sent = 0; sent < 6; sent += 1) expect((await get(nameOf('breaker'))).status).toBe(404);
    stopPlaying('breaker');
    expect(await rowOf('breaker', 0)).toMatchObject({ circuit_breaker: 'CLOSED' });
  });

  it('get requests by the streams that are open, all on one connection', async () => {
    const waiting: ServerHttp2Stream[] = [];
    play('least', 0, (stream) => void waiting.push(stream));
    const all = Array.from({ length: 8 }, () => get(nameOf('least')));
    await eventually('/stats shows who waits', async () => {
      return waiting.length > 0 && (await rowOf('least', 0))['in_flight'] === waiting.length;
    });
    expect(await picks('least', 10)).toEqual([0, 10]);
    stopPlaying('least');
    for (const stream of waiting) answer(stream, 200, '0');
    const texts = (await Promise.all(all)).map(({ text }) => text);
    expect(texts.filter((text) => text === '0')).toHaveLength(waiting.length);
    expect(new Set(waiting.map(({ session }) => session)).size).toBe(1);
    await eventually('none is in flight', async () => {
      return (await rowOf('least', 0))['in_flight'] === 0;
    });
  });

  it('are ejected that answer 5xx, and let in again', async () => {
    play('outlier', 0, (stream) => answer(stream, 500, 'x'));
    const ejected = async (): Promise<boolean> => {
      await get(nameOf('outlier'));
      return Number((await rowOf('outlier', 0))['ejections']) > 0;
    };
    await eventually('it is ejected', ejected);
    stopPlaying('outlier');
    await untilState('outlier', 0, 'available');
    expect(await picks('outlier', 6)).toEqual([3, 3]);
  });
});

describe('a pin', () => {
  it('of the key lets a target in, and another one does not', async () => {
    expect(await get('pinned')).toEqual({ status: 200, text: '0' });
    const { status, text } = await get('wrong');
    expect([status, JSON.parse(text).code]).toEqual([502, 'GW_UPSTREAM_CERTIFICATE_PIN']);
  });
});
