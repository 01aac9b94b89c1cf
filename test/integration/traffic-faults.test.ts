/** Faults that are injected on purpose. */
import { once } from 'node:events';
import { connect } from 'node:http2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';

let origin: FakeUpstream;
let gateway: GatewayProcess;

beforeAll(async () => {
  origin = await FakeUpstream.start();
  const failing = (name: string, faults: object) => ({
    name,
    match: { path: `/${name}` },
    upstream: 'origin',
    rateLimit: { limit: 2, window: '1h', key: 'route' },
    faults,
  });
  gateway = await GatewayProcess.start({
    listen: { port: 0, protocols: ['http1', 'h2c'] },
    admin: { port: 0 },
    workers: 1,
    hardening: { faults: 'allow' },
    upstreams: { origin: { targets: [{ url: origin.url }], protocol: 'auto' } },
    routes: [
      failing('abort', { abort: 503 }),
      failing('late', { delay: '20ms' }),
      failing('both', { delay: '20ms', abort: 429 }),
      failing('some', { abort: 500, when: { header: 'X-Fail', value: 'yes' } }),
      failing('never', { abort: 500, percent: 0 }),
    ],
  });
});

afterAll(async () => {
  await gateway?.stop();
  await origin?.close();
});

async function ask(path: string, headers: Record<string, string> = {}): Promise<number> {
  const reply = await fetch(`${gateway.url}${path}`, { headers });
  await reply.arrayBuffer();
  return reply.status;
}

describe('a request', () => {
  it('gets the status of its route, takes nothing of a limit, and comes to no target', async () => {
    const before = origin.headCount;
    for (let nth = 0; nth < 4; nth += 1) expect(await ask('/abort')).toBe(503);
    expect(origin.headCount).toBe(before);
  });

  it('that is delayed goes on afterwards, and one that is to fail fails then', async () => {
    expect(await ask('/late')).toBe(200);
    expect(await ask('/both')).toBe(429);
    expect(origin.received.map(({ url }) => url)).toEqual(['/late']);
  });

  it('fails only where it has the field, and by chance', async () => {
    expect(await ask('/some')).toBe(200);
    expect(await ask('/some', { 'x-fail': 'no' })).toBe(200);
    expect(await ask('/some', { 'x-fail': 'yes' })).toBe(500);
    expect([await ask('/never'), await ask('/never')]).toEqual([200, 200]);
  });

  it('may leave while it is delayed', async () => {
    const gone = new AbortController();
    const asked = fetch(`${gateway.url}/late`, { signal: gone.signal }).catch(() => 'gone');
    gone.abort();
    expect(await asked).toBe('gone');
    expect(await ask('/abort')).toBe(503);
  });

  it('that is a call of gRPC gets a code', async () => {
    const session = connect(gateway.url);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/abort',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.end();
    const [fields] = (await once(stream, 'response')) as [Record<string, unknown>];
    expect(fields).toMatchObject({ ':status': 200, 'grpc-status': '14' });
    session.destroy();
  });

  it('is told from others in the log and in figures', async () => {
    const faults = (): unknown[] => gateway.find('request').map(({ fault }) => fault);
    await eventually('all have their records', () =>
      ['delay', 'abort', 'delay and abort'].every((one) => faults().includes(one)),
    );
    expect(faults()).toContain(undefined);
    const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    expect(metrics).toMatch(/gateway_fault_delays_total [1-9]/);
    expect(metrics).toMatch(/gateway_fault_aborts_total [1-9]/);
  });
});
