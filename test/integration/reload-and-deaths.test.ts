/**
 * Threads that die in the middle of a change of the configuration: it is in force everywhere or
 * nowhere, and no limit is forgotten.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GatewayConfig } from '../../src/index.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { InProcessGateway } from '../support/in-process-gateway.js';

let upstream: FakeUpstream;
let gateway: InProcessGateway;
let turn = 0;

beforeAll(async () => {
  upstream = await FakeUpstream.start((_, response) => response.end('ok'));
  gateway = await InProcessGateway.start({ ...configuration(0) });
});

afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

/** Each has a route of its own, and a limit that all of them have. */
function configuration(of: number): GatewayConfig {
  return {
    listen: { port: 0 },
    admin: { port: 0 },
    logging: { level: 'silent', accessLog: false },
    workers: 2,
    upstreams: { api: { targets: [{ url: upstream.url }], retry: { attempts: 0 } } },
    routes: [
      { name: `turn-${of}`, match: { path: `/turn-${of}` }, upstream: 'api' },
      {
        name: 'limited',
        match: { path: '/limited' },
        upstream: 'api',
        rateLimit: { limit: 8, window: '24h', key: 'route' },
      },
    ],
  } as GatewayConfig;
}

async function statusOf(path: string): Promise<number> {
  const reply = await fetch(gateway.url + path);
  await reply.arrayBuffer();
  return reply.status;
}

/** All requests, whichever worker gets them, see this version and no other. */
async function isInForce(of: number): Promise<void> {
  const { supervisor } = gateway.gateway;
  await eventually('both lanes are served, and earlier versions are let go', async () => {
    const { workers } = await gateway.stats();
    return workers.every(({ served }) => served) && supervisor.epochs.length === 1;
  });
  const paths = Array.from({ length: 24 }, (_, at) => `/turn-${at % 2 === 0 ? of : of + 1}`);
  const statuses = await Promise.all(paths.map(statusOf));
  expect(statuses).toEqual(paths.map((_, at) => (at % 2 === 0 ? 200 : 404)));
}

type Supervisor = InProcessGateway['gateway']['supervisor'];

/** Runs `meanwhile` once, when the part's method has just been called. */
function once<Part extends object>(
  part: Part,
  method: keyof Part & string,
  meanwhile: () => Promise<unknown>,
): void {
  const original = part[method] as (...args: unknown[]) => Promise<void>;
  Object.assign(part, {
    [method]: async (...args: unknown[]) => {
      Reflect.deleteProperty(part, method);
      const done = original.apply(part, args);
      // Whoever awaits it hears of its end; until then nobody does.
      done.catch(() => {});
      await meanwhile();
      return done;
    },
  });
}

const kill = {
  worker: (supervisor: Supervisor) => supervisor.laneAt(1).kill(),
  coordinator: (supervisor: Supervisor) => supervisor.coordinator.kill(),
};

describe('a change of the configuration', () => {
  it.each([
    ['a worker dies that compiles it', 'prepare', kill.worker],
    ['the coordinator dies while workers compile it', 'prepare', kill.coordinator],
    ['the coordinator dies that takes it', 'adopt', kill.coordinator],
    ['a worker dies before it may begin with it', 'adopt', kill.worker],
    ['a worker dies that is to begin with it', 'commit', kill.worker],
    ['the coordinator dies when workers begin with it', 'commit', kill.coordinator],
  ] as const)('comes into force everywhere although %s', async (_, method, killOne) => {
    const { supervisor } = gateway.gateway;
    const meanwhile = () => killOne(supervisor);
    if (method === 'adopt') once(supervisor.coordinator, method, meanwhile);
    else once(supervisor.laneAt(1), method, meanwhile);
    await eventually('a token of the limit is used', async () => {
      return [200, 429].includes(await statusOf('/limited'));
    });
    turn += 2;
    const result = await gateway.gateway.apply(configuration(turn));
    expect(result).toMatchObject({ outcome: 'applied' });
    await isInForce(turn);
  });

  it('changes nothing when the coordinator dies of it again and again', async () => {
    const { supervisor } = gateway.gateway;
    const killIt = () => kill.coordinator(supervisor);
    once(supervisor.coordinator, 'adopt', async () => {
      once(supervisor.coordinator, 'adopt', killIt);
      await killIt();
    });
    const refused = await gateway.gateway.apply(configuration(turn + 2));
    expect(refused).toEqual({
      outcome: 'refused',
      reasons: ['the coordinator died while it took the configuration'],
    });
    await isInForce(turn);
  });

  it('changes nothing when a worker cannot compile it, and the next one is taken', async () => {
    const lane = gateway.gateway.supervisor.laneAt(0);
    Object.assign(lane, {
      prepare: async () => {
        Reflect.deleteProperty(lane, 'prepare');
        throw new Error('no such key');
      },
    });
    const refused = await gateway.gateway.apply(configuration(turn + 2));
    expect(refused).toEqual({ outcome: 'refused', reasons: ['no such key'] });
    await isInForce(turn);
    turn += 2;
    await gateway.gateway.apply(configuration(turn));
    await isInForce(turn);
  });

  it('has cost no token of a limit that is in all of them', async () => {
    let admitted = 6;
    for (let count = 0; count < 6; count += 1) {
      if ((await statusOf('/limited')) === 200) admitted += 1;
    }
    expect(admitted).toBe(8);
  });
});
