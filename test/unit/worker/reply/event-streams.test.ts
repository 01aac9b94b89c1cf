/**
 * Event streams through a whole worker: targets that are played, a client on a real lane, a clock
 * that is moved.
 */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type FieldBlock, field, joinFields } from '../../../../src/base/field-block.js';
import { WINDOW_BYTES } from '../../../../src/channel/lane.js';
import type { GatewayConfig } from '../../../../src/config/gateway-config.js';
import { ROUTE_COUNTERS, routeCounter } from '../../../../src/observability/counters.js';
import { JWT_SECRET } from '../../../support/configs.js';
import { signHs256 } from '../../../support/hs256-token.js';
import { WorkerRig } from '../../../support/worker-rig.js';

const CONFIG: GatewayConfig = {
  authenticators: {
    users: { type: 'jwt', algorithms: ['HS256'], secret: JWT_SECRET, clockSkew: '5s' },
  },
  upstreams: {
    api: {
      targets: [{ url: 'http://127.0.0.1:8001' }],
      timeouts: { idle: '10s' },
      circuitBreaker: { failureThreshold: 1 },
      retry: { attempts: 1, on: ['reset'] },
    },
  },
  routes: [
    { name: 'plain', match: { path: '/plain' }, upstream: 'api' },
    { name: 'beating', match: { path: '/beating' }, upstream: 'api', sse: { heartbeat: '2s' } },
    {
      name: 'patient',
      match: { path: '/patient' },
      upstream: 'api',
      sse: { idle: '40s', heartbeat: '3s' },
    },
    {
      name: 'edited',
      match: { path: '/edited' },
      upstream: 'api',
      rewriteReply: { headers: { set: { 'x-a': '1' } }, body: { set: { '/a': 1 } } },
    },
    { name: 'mine', match: { path: '/mine' }, upstream: 'api', authenticate: ['users'] },
    {
      name: 'outliving',
      match: { path: '/outliving' },
      upstream: 'api',
      authenticate: ['users'],
      sse: { closeAtTokenExpiry: false, idle: '1h' },
    },
  ],
};

const EVENTS = field('Content-Type', 'text/event-stream');
const PATHS = CONFIG.routes.map(({ match }) => match.path);

let rig: WorkerRig;

afterEach(async () => {
  await rig.close();
  expect(rig.errors).toEqual([]);
});

async function open(path: string, fields: FieldBlock = EVENTS, token = '') {
  rig = await WorkerRig.create(CONFIG);
  const sent = token === '' ? [] : ['authorization', `Bearer ${token}`];
  const client = rig.request({ path, fields: sent });
  await vi.waitFor(() => {
    rig.settle();
    expect(rig.tries).toHaveLength(1);
  });
  const target = rig.lastTry;
  target.head(200, -1, fields);
  rig.settle();
  return { client, target };
}

function counted(path: string): readonly [opened: number, ended: number] {
  const row = PATHS.indexOf(path);
  const { eventStreamsOpened, eventStreamsEnded } = ROUTE_COUNTERS;
  return [eventStreamsOpened, eventStreamsEnded].map((figure) =>
    rig.counters.read(routeCounter(row, figure)),
  ) as [number, number];
}

describe('an event stream', () => {
  it('has its head and each event on the lane at once', async () => {
    const { client, target } = await open('/plain');
    expect(client).toMatchObject({ status: 200, body: '' });
    for (const event of ['data: a\n\n', 'retry: 10\n', ': b\n\n']) {
      target.data(event);
      rig.settle();
      expect(client.pieces.at(-1)).toBe(event);
    }
  });

  it('is held back by no stage', async () => {
    const { client, target } = await open('/edited');
    expect(client.fields).toContain('x-a: 1');
    target.data('data: a\n\n');
    rig.settle();
    expect(client.body).toBe('data: a\n\n');
  });

  it('is counted while it is open, and when its target, its client or its worker ends it', async () => {
    const { target } = await open('/plain');
    expect(counted('/plain')).toEqual([1, 0]);
    target.end();
    rig.settle();
    expect(counted('/plain')).toEqual([1, 1]);
    const leaving = rig.request({ path: '/plain' });
    rig.lastTry.head(200, -1, EVENTS);
    rig.settle();
    expect(counted('/plain')).toEqual([2, 1]);
    leaving.leave();
    rig.settle();
    expect(counted('/plain')).toEqual([2, 2]);
  });

  it.each([
    ['application/json', -1, 200],
    ['text/event-streams', -1, 200],
    ['text/event-stream', 5, 200],
    ['text/event-stream', -1, 404],
  ])('is none: %s, length %d, status %d', async (type, length, status) => {
    rig = await WorkerRig.create(CONFIG);
    rig.request({ path: '/beating' });
    rig.lastTry.head(status, length, field('content-type', type));
    rig.settle();
    expect(counted('/beating')).toEqual([0, 0]);
  });

  it.each(['Text/Event-Stream', 'text/event-stream;charset=utf-8', 'text/event-stream ; a=b'])(
    'is one: %s',
    async (type) => {
      await open('/plain', joinFields(field('x-b', '1'), field('content-type', type)));
      expect(counted('/plain')).toEqual([1, 0]);
    },
  );
});

describe('the silence of a target', () => {
  it('ends the stream as a whole reply, and is no failure of the target', async () => {
    const { client, target } = await open('/plain');
    rig.advance(8000);
    target.data('data: a\n\n');
    rig.advance(9000);
    expect(client.isEnded).toBe(false);
    rig.advance(2000);
    expect(client).toMatchObject({ isEnded: true, isCut: false, body: 'data: a\n\n' });
    expect(target.isAborted).toBe(true);
    expect(counted('/plain')).toEqual([1, 1]);
    // The breaker opens at one failure.
    const another = rig.request({ path: '/plain' });
    expect(another.isWaiting).toBe(true);
  });

  it('may last as long as the route says', async () => {
    const { client } = await open('/patient');
    rig.advance(39_000);
    expect(client.isEnded).toBe(false);
    // A client that takes the comments does not speak for the target.
    client.read(WINDOW_BYTES);
    rig.advance(2000);
    expect(client).toMatchObject({ isEnded: true, isCut: false });
  });
});

describe('heartbeats', () => {
  it('are comments, sent while nothing else is', async () => {
    const { client, target } = await open('/beating');
    rig.advance(2100);
    expect(client.body).toBe(':\n\n');
    rig.advance(1000);
    target.data('data: a\n\n');
    rig.advance(1500);
    expect(client.body).toBe(':\n\ndata: a\n\n');
    rig.advance(1000);
    expect(client.body).toBe(':\n\ndata: a\n\n:\n\n');
  });

  it('stand between events only', async () => {
    const { client, target } = await open('/beating');
    target.data('data: a\n\ndata: b\n');
    rig.advance(7000);
    expect(client.body).toBe('data: a\n\ndata: b\n');
    target.data('\n');
    rig.advance(2500);
    expect(client.body).toBe('data: a\n\ndata: b\n\n:\n\n');
  });

  it('leave the byte order mark of the target nowhere but at the beginning', async () => {
    const { client, target } = await open('/beating');
    rig.advance(2100);
    target.data('\ufeffdata: a\n\n');
    rig.settle();
    expect(client.body).toBe(':\n\ndata: a\n\n');
  });

  it('are not put into what is compressed', async () => {
    const { client } = await open('/beating', joinFields(EVENTS, field('content-encoding', 'br')));
    rig.advance(5000);
    expect(client.body).toBe('');
  });

  it('do not pile up before a client that reads nothing', async () => {
    const { client, target } = await open('/beating');
    const event = `data: ${'a'.repeat(WINDOW_BYTES / 4)}\n\n`;
    while (!target.isPaused) {
      target.data(event);
      rig.settle();
    }
    const before = client.body.length;
    rig.advance(6000);
    expect(client.body.length).toBe(before);
    client.read(before);
    rig.advance(4000);
    expect(client.body.slice(before)).toBe(':\n\n');
  });
});

describe('the token that opened a stream', () => {
  const tokenFor = (seconds: number) =>
    signHs256({ sub: 'a', exp: Date.UTC(2026, 0, 1) / 1000 + seconds });

  it('ends it, when it ends itself', async () => {
    const { client, target } = await open('/mine', EVENTS, tokenFor(4));
    rig.advance(7000);
    target.data('data: a\n\n');
    rig.settle();
    expect(client.isEnded).toBe(false);
    // The clock began at one second; the clocks may differ by five.
    rig.advance(1200);
    expect(client).toMatchObject({ isEnded: true, isCut: false, body: 'data: a\n\n' });
    expect(target.isAborted).toBe(true);
    expect(counted('/mine')).toEqual([1, 1]);
    expect(rig.inFlight).toBe(0);
  });

  it('does not where the route says so', async () => {
    const { client } = await open('/outliving', EVENTS, tokenFor(4));
    rig.advance(60_000);
    expect(client.isEnded).toBe(false);
  });

  it('has nothing to do with other replies', async () => {
    const { client, target } = await open(
      '/mine',
      field('content-type', 'text/plain'),
      tokenFor(4),
    );
    rig.advance(9000);
    target.data('late');
    rig.advance(9000);
    expect(client).toMatchObject({ isEnded: false, body: 'late' });
  });
});
