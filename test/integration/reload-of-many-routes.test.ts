/**
 * A reload of ten thousand routes while requests come: what is counted is failures, and threads
 * that were taken to hang. How long it takes is a matter of benches.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answerAfter, FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { Load } from '../support/load.js';

const ROUTES = 9_998;
const RELOADS = 3;
const CONNECTIONS = 8;
const TOKEN = 'a-token-for-tests-of-the-admin-listener';

let upstream: FakeUpstream;
let gateway: GatewayProcess;

beforeAll(async () => {
  upstream = await FakeUpstream.start(answerAfter(10));
  gateway = await GatewayProcess.start(configuration(0));
});

afterAll(async () => {
  await gateway.kill();
  await upstream.close();
});

/** Half of the routes change from one turn to the next; half are guarded. */
function configuration(turn: number): Record<string, unknown> {
  const many = Array.from({ length: ROUTES }, (_, at) => ({
    name: `r${at}`,
    match: { path: at % 2 === 0 ? `/s${at}/:id` : `/s${at}/v${turn}` },
    upstream: 'api',
    ...(at % 2 === 0 && { ipFilter: { deny: ['::1'] } }),
  }));
  return {
    admin: { port: 0, token: TOKEN },
    workers: 2,
    reload: { watch: false },
    logging: { accessLog: false },
    upstreams: { api: { targets: [{ url: upstream.url }] } },
    routes: [
      { name: 'turn', match: { path: `/turn${turn}` }, upstream: 'api' },
      {
        name: 'hot',
        match: { path: '/hot/:id' },
        upstream: 'api',
        // On a machine without a free core the coordinator may be late; whether a reload holds it up
        // is seen by its heartbeat.
        onCoordinatorLost: 'open',
        rateLimit: { limit: 1_000_000, window: '1h' },
      },
      ...many,
    ],
  };
}

describe('reloads of ten thousand routes', () => {
  it('cost no request, and no thread is taken to hang', async () => {
    const load = new Load(`${gateway.url}/hot/1`, CONNECTIONS);
    const slashes = new Load(`${gateway.url}/s0/`, 1);
    for (let turn = 1; turn <= RELOADS; turn += 1) {
      gateway.rewrite(configuration(turn));
      const { status, body } = await gateway.post('/reload', TOKEN);
      expect(body.reasons ?? []).toEqual([]);
      expect(status).toBe(200);
      const statuses = await Promise.all(
        [`/turn${turn}`, `/turn${turn - 1}`, `/s${ROUTES - 1}/v${turn}`].map(
          async (path) => (await fetch(gateway.url + path)).status,
        ),
      );
      expect(statuses).toEqual([200, 404, 200]);
    }
    await Promise.all([load.stop(), slashes.stop()]);
    expect(load.others.map(({ status, body }) => `${status} ${body}`)).toEqual([]);
    expect(load.replies).toBeGreaterThan(RELOADS);
    expect(slashes.replies).toBe(slashes.count(404));
    for (const message of ['worker hangs', 'worker died', 'coordinator hangs', 'internal error']) {
      expect(gateway.find(message)).toEqual([]);
    }
    const { workers } = await gateway.stats<{ workers: { deaths: number }[] }>();
    expect(workers.map(({ deaths }) => deaths)).toEqual([0, 0]);
  }, 240_000);
});
