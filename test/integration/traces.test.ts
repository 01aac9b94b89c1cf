/**
 * Traces: what targets hear of them, and what a receiver gets, which is a process of its own and
 * decodes the bytes by itself.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aConfig } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { OtlpReceiver, type ReceivedSpan } from '../support/otlp-receiver.js';

const SPAN = '00f067aa0ba902b7';

let upstream: FakeUpstream;
let receiver: OtlpReceiver;
let traces = 0;

beforeAll(async () => {
  upstream = await FakeUpstream.start();
  receiver = await OtlpReceiver.start();
});

afterAll(async () => {
  await receiver.stop();
  await upstream.close();
});

function newTraceId(): string {
  traces += 1;
  return traces.toString(16).padStart(32, 'a');
}

function configWith(tracing: object | undefined, ...targets: string[]): Record<string, unknown> {
  return aConfig([...targets, upstream.url], {
    route: { match: { path: '/things/:id' }, rateLimit: { limit: 100, window: '1h' } },
    upstream: { retry: { attempts: 1, on: ['connectFailure'] } },
    top: { workers: 1, ...(tracing === undefined ? {} : { tracing }) },
  });
}

function lastHeaders(): Record<string, unknown> {
  return upstream.received.at(-1)?.headers ?? {};
}

describe('without tracing', () => {
  it('trace fields go on untouched, valid or not, and none is made', async () => {
    const gateway = await GatewayProcess.start(configWith(undefined));
    try {
      const traceparent = `00-${newTraceId()}-${SPAN}-01`;
      const headers = { traceparent, tracestate: 'a=1,b=2' };
      await fetch(`${gateway.url}/things/7`, { headers });
      expect(lastHeaders()).toMatchObject(headers);
      await fetch(`${gateway.url}/things/7`, { headers: { traceparent: 'nonsense' } });
      expect(lastHeaders()).toMatchObject({ traceparent: 'nonsense' });
      await fetch(`${gateway.url}/things/7`);
      expect(lastHeaders()).not.toHaveProperty('traceparent');
    } finally {
      await gateway.kill();
    }
  });
});

describe('with tracing', () => {
  let gateway: GatewayProcess;

  beforeAll(async () => {
    const { endpoint } = receiver;
    const headers = { 'x-key': 'k1' };
    const tracing = { endpoint, samplePercent: 0, serviceName: 'edge', headers };
    // The first target is gone: a request may take two tries.
    gateway = await GatewayProcess.start(configWith(tracing, 'http://127.0.0.1:2'));
  });

  afterAll(() => gateway.kill());

  async function send(traceId: string, path = '/things/7?a=1&token=SECRET'): Promise<Response> {
    const headers = { traceparent: `00-${traceId}-${SPAN}-01`, tracestate: 'a=1' };
    const reply = await fetch(`${gateway.url}${path}`, { headers });
    await reply.text();
    return reply;
  }

  async function arrived(traceId: string, count: number): Promise<ReceivedSpan[]> {
    await eventually('the spans are there', () => receiver.trace(traceId).length >= count);
    return receiver.trace(traceId);
  }

  it('a request that was sampled before has spans of itself, its admission and each try', async () => {
    const ids = [newTraceId(), newTraceId()];
    for (const id of ids) expect((await send(id)).status).toBe(200);
    const all = await Promise.all(ids.map((id) => arrived(id, 3)));
    for (const spans of all) {
      const [request, ...children] = spans;
      expect(request).toMatchObject({
        kind: 2,
        name: 'GET /things/:id',
        parentSpanId: SPAN,
        service: 'edge',
        key: 'k1',
        attributes: {
          'http.request.method': 'GET',
          'http.response.status_code': 200,
          'http.route': '/things/:id',
          'sluice.route': 'all',
          'url.path': '/things/7',
          'url.query': 'a=1&token=[redacted]',
          'client.address': '127.0.0.1',
        },
      });
      for (const { parentSpanId, startMs, endMs } of children) {
        expect(parentSpanId).toBe(request?.spanId);
        expect(startMs).toBeGreaterThanOrEqual((request?.startMs ?? 0) - 1);
        expect(endMs).toBeLessThanOrEqual((request?.endMs ?? 0) + 1);
        expect(endMs).toBeGreaterThanOrEqual(startMs);
      }
      expect(Math.abs((request?.endMs ?? 0) - Date.now())).toBeLessThan(60_000);
      expect(children.some(({ name }) => name === 'admission')).toBe(true);
    }
    // In turn: one of the two met the target that is gone, and went to the other.
    const tries = all.map((spans) => spans.filter(({ kind }) => kind === 3));
    expect(tries.map(({ length }) => length).sort()).toEqual([1, 2]);
    const retried = tries.find(({ length }) => length === 2) ?? [];
    expect(retried.map(({ status }) => status).sort()).toEqual([0, 2]);
    const ports = retried.map(({ attributes }) => attributes['server.port']);
    expect(ports.sort()).toEqual([2, upstream.port].sort());
  });

  it('the target is told of the span of its own try, and the state goes on', async () => {
    const id = newTraceId();
    await send(id);
    const { traceparent, tracestate } = lastHeaders();
    expect(tracestate).toBe('a=1');
    const told = /^00-([0-9a-f]{32})-([0-9a-f]{16})-01$/.exec(String(traceparent)) ?? [];
    expect(told[1]).toBe(id);
    // With the target that is gone there are more than three spans, and not all come at once.
    const tryTold = () => receiver.trace(id).find(({ spanId }) => spanId === told[2]);
    await eventually('the span has come', () => tryTold() !== undefined);
    expect(tryTold()).toMatchObject({ kind: 3, status: 0 });
  });

  it('a refusal has a span that says which part refused', async () => {
    const id = newTraceId();
    expect((await send(id, '/nowhere')).status).toBe(404);
    const [request, ...children] = await arrived(id, 1);
    expect(request?.attributes).toMatchObject({
      'http.response.status_code': 404,
      'error.type': 'GW_ROUTE_NOT_FOUND',
      'sluice.part': 'routing',
    });
    expect(children).toEqual([]);
    await eventually('its record has the trace', () =>
      gateway.find('request').some((record) => record['traceId'] === id),
    );
  });

  it('what was not sampled, or cannot be read, is passed on and has no spans', async () => {
    const before = receiver.spans.length;
    const traceparent = `00-${newTraceId()}-${SPAN}-00`;
    await fetch(`${gateway.url}/things/7`, { headers: { traceparent, tracestate: 'a=1' } });
    expect(lastHeaders()).toMatchObject({ traceparent, tracestate: 'a=1' });
    await fetch(`${gateway.url}/things/7`, { headers: { traceparent: 'nonsense' } });
    expect(lastHeaders()).toMatchObject({ traceparent: 'nonsense' });
    const id = newTraceId();
    await send(id);
    await arrived(id, 3);
    expect(receiver.spans.slice(before).every(({ traceId }) => traceId === id)).toBe(true);
  });

  it('counts what it sampled, and sends what waits when it ends', async () => {
    const id = newTraceId();
    await send(id);
    const { counters } = (await gateway.stats()) as { counters: Record<string, number> };
    expect(counters['sampled_requests']).toBe(6);
    await gateway.stop();
    expect(gateway.exitCode).toBe(0);
    await arrived(id, 3);
    expect(gateway.stderr).toBe('');
  });
});

describe('a trace that begins here', () => {
  it('is sampled by share, and begins anew where traceparent cannot be read', async () => {
    const tracing = { endpoint: receiver.endpoint, samplePercent: 100 };
    const gateway = await GatewayProcess.start(configWith(tracing));
    try {
      const before = receiver.spans.length;
      const headers = { traceparent: 'nonsense', tracestate: 'a=1' };
      await fetch(`${gateway.url}/things/7`, { headers });
      const { traceparent, tracestate } = lastHeaders();
      expect(String(traceparent)).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
      expect(tracestate).toBeUndefined();
      const traceId = String(traceparent).slice(3, 35);
      await eventually('its spans are there', () => receiver.trace(traceId).length === 3);
      expect(receiver.trace(traceId)[0]).toMatchObject({ parentSpanId: '', service: 'sluice' });
      expect(receiver.spans.length - before).toBe(3);
    } finally {
      await gateway.kill();
    }
  });

  it('does not hold requests up, nor fill memory, when nobody receives', async () => {
    const tracing = { endpoint: 'http://127.0.0.1:2/v1/traces', samplePercent: 100 };
    const gateway = await GatewayProcess.start(configWith(tracing));
    try {
      for (let count = 0; count < 50; count++) {
        expect((await fetch(`${gateway.url}/things/7`)).status).toBe(200);
      }
      await eventually('it says so', () => gateway.find('spans are not exported').length > 0);
      await gateway.stop();
      expect(gateway.exitCode).toBe(0);
      expect(gateway.find('spans are not exported')).toEqual([
        expect.objectContaining({ reason: 'connect ECONNREFUSED 127.0.0.1:2' }),
      ]);
    } finally {
      await gateway.kill();
    }
  });
});

describe('with several formats', () => {
  let gateway: GatewayProcess;

  beforeAll(async () => {
    const propagation = ['jaeger', 'b3', 'b3multi', 'w3c'];
    const tracing = { endpoint: receiver.endpoint, samplePercent: 0, propagation };
    gateway = await GatewayProcess.start(configWith(tracing));
  });

  afterAll(() => gateway.kill());

  async function sendWith(headers: Record<string, string>): Promise<Record<string, unknown>> {
    await (await fetch(`${gateway.url}/things/7`, { headers })).text();
    return lastHeaders();
  }

  it.each([
    ['jaeger', (id: string) => ({ 'uber-trace-id': `${id}:${SPAN}:0:1` })],
    ['b3', (id: string) => ({ b3: `${id}-${SPAN}-1`, tracestate: 'a=1' })],
    ['b3multi', (id: string) => ({ 'x-b3-traceid': id, 'x-b3-spanid': SPAN, 'x-b3-sampled': '1' })],
    ['w3c', (id: string) => ({ traceparent: `00-${id}-${SPAN}-01`, tracestate: 'a=1' })],
  ])('a trace that comes in %s is gone on with in all of them', async (name, fields) => {
    const id = newTraceId();
    const told = await sendWith({ ...fields(id), ...(name !== 'b3' && { b3: 'nonsense' }) });
    const [, span = ''] =
      /^00-[0-9a-f]{32}-([0-9a-f]{16})-01$/.exec(String(told.traceparent)) ?? [];
    await eventually('the spans are there', () => receiver.trace(id).length >= 2);
    const [request] = receiver.trace(id);
    expect(request?.parentSpanId).toBe(SPAN);
    expect(told).toMatchObject({
      traceparent: `00-${id}-${span}-01`,
      b3: `${id}-${span}-1-${request?.spanId}`,
      'x-b3-traceid': id,
      'x-b3-spanid': span,
      'x-b3-parentspanid': request?.spanId,
      'x-b3-sampled': '1',
      'uber-trace-id': `${id}:${span}:0:1`,
    });
    expect(told['tracestate']).toBe(name === 'w3c' ? 'a=1' : undefined);
  });

  it('a decision against is kept, and told in all of them', async () => {
    const id = newTraceId();
    const traceparent = `00-${newTraceId()}-${SPAN}-01`;
    const told = await sendWith({ b3: `${id}-${SPAN}-0-${SPAN}`, traceparent, tracestate: 'a=1' });
    expect(told).toMatchObject({
      b3: `${id}-${SPAN}-0-${SPAN}`,
      traceparent: `00-${id}-${SPAN}-00`,
      'x-b3-sampled': '0',
      'uber-trace-id': `${id}:${SPAN}:0:0`,
    });
    expect(told).not.toHaveProperty('tracestate');
    expect(await sendWith({ b3: '0' })).toMatchObject({ b3: '0', 'x-b3-sampled': '0' });
  });

  it('debug goes on', async () => {
    const id = newTraceId();
    const told = await sendWith({ 'x-b3-traceid': id, 'x-b3-spanid': SPAN, 'x-b3-flags': '1' });
    expect(told).toMatchObject({ 'x-b3-flags': '1', b3: expect.stringMatching(/-d-/) });
    expect(told).not.toHaveProperty('x-b3-sampled');
  });

  it('nothing is told of a request that no one has decided upon', async () => {
    const told = await sendWith({ 'uber-trace-id': 'nonsense' });
    expect(told).toMatchObject({ 'uber-trace-id': 'nonsense' });
    for (const name of ['traceparent', 'b3', 'x-b3-sampled']) expect(told).not.toHaveProperty(name);
  });
});
