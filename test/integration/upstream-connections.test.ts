import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { undiciConnectionsTo } from '../../bench/alternatives/undici-transport.js';
import { systemClock } from '../../src/base/clock.js';
import { LeanPool } from '../../src/worker/upstream/lean-pool.js';
import { connectionsTo } from '../../src/worker/upstream/upstream-connections.js';
import type { UpstreamConnections } from '../../src/worker/upstream/upstream-transport.js';
import { type TryListener, UpstreamTry } from '../../src/worker/upstream/upstream-try.js';
import { WorkloadIdentity } from '../../src/worker/upstream/workload-identity.js';
import { aCoordinatorConfig } from '../support/coordinator-rig.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { makeReadMemory } from '../support/read-memory.js';
import { anExchange, SENT_PLAINLY, type TransportChoice } from '../support/transport-rig.js';

let origin: FakeUpstream;
const memory = makeReadMemory();

beforeEach(async () => {
  origin = await FakeUpstream.start();
});

afterEach(async () => {
  await origin.close();
});

function connect(url: string, transport: TransportChoice): UpstreamConnections {
  const config = aCoordinatorConfig({ targetCounts: [1] });
  const [target] = config.targets;
  const [upstream] = config.upstreams;
  if (target === undefined || upstream === undefined) throw new Error('no target');
  const by = transport === 'undici' ? undiciConnectionsTo : connectionsTo;
  return by({ ...target, origin: url }, upstream, {
    memory,
    workload: new WorkloadIdentity(),
    nowMs: systemClock.nowMs,
    onConnected: () => {},
  });
}

/** One GET; resolves when its try has ended, with the try. */
function tryOnce(connections: UpstreamConnections): Promise<UpstreamTry> {
  return new Promise((resolve) => {
    const listener: TryListener = {
      onHead: () => {},
      onInterim: () => {},
      onBody: () => true,
      onComplete: resolve,
      onFailure: resolve,
    };
    const exchange = anExchange('GET', null);
    const admission = { targetIndex: 0, ticket: 0 };
    const attempt = new UpstreamTry(exchange, listener, connections, admission);
    const authority = 'origin.example';
    attempt.send({ exchange, path: '/', authority, ...SENT_PLAINLY, body: null }, false);
  });
}

describe.each<TransportChoice>(['lean', 'undici'])('%s', (transport) => {
  it('keeps a connection for the next try, and knows which tries were on a used one', async () => {
    const connections = connect(origin.url, transport);
    const first = await tryOnce(connections);
    expect([first.isSent, first.isReused, connections.idleCount]).toEqual([true, false, 1]);
    const second = await tryOnce(connections);
    expect([second.isReused, connections.idleCount]).toEqual([true, 1]);
    for (const socket of origin.sockets) socket.destroy();
    await eventually('the closed one is gone', () => connections.idleCount === 0);
    const third = await tryOnce(connections);
    expect([third.isSent, third.isReused]).toEqual([true, false]);
    await connections.close();
  });

  it('keeps nothing of a connection that never came about', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const connections = connect(`http://127.0.0.1:${port}`, transport);
    const tries = await Promise.all(Array.from({ length: 20 }, () => tryOnce(connections)));
    expect(tries.every((attempt) => !attempt.isSent)).toBe(true);
    expect(connections.idleCount).toBe(0);
  });
});

describe('the age of a connection', () => {
  it.each([
    [0, 3],
    [Number.POSITIVE_INFINITY, 1],
  ])('of %s ms at most makes three tries use %i of them', async (ageMsMax, connections) => {
    let connects = 0;
    const pool = new LeanPool({
      address: { host: '127.0.0.1', port: origin.port, tls: null, replyHeadBytes: 16_384 },
      memory,
      connectMs: 1000,
      ageMsMax,
      nowMs: systemClock.nowMs,
      onConnected: () => {
        connects++;
      },
    });
    for (let count = 0; count < 3; count++) await tryOnce(pool);
    expect(connects).toBe(connections);
    await pool.close();
    await eventually('none is left', () => origin.sockets.size === 0);
  });
});
