/**
 * Three gateways as processes and a real server, with faults and steps of clocks: the history of
 * all requests could be one of a limit that somebody counts by himself.
 *
 * A request is admitted at some moment between its sending and its answer. So more than the limit
 * has passed for certain where more were both sent and answered within one window; nothing else
 * can be told from outside.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { aConfig } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { IS_LONG } from '../support/long-form.js';
import { describeUnless } from '../support/not-run.js';
import { RedisServer, redisMissing } from '../support/redis-server.js';
import { faketimeMissing, SteppedClock } from '../support/stepped-clock.js';

const LIMIT = 60;
const WINDOW_MS = 1000;
const GATEWAYS = 3;
const HOUR = 3600;
const ROUNDS = IS_LONG ? 20 : 1;
const PAUSE_MS = 5;

interface Admission {
  readonly sentMs: number;
  readonly answeredMs: number;
}

/** The most that were sent and answered within one window. */
function mostForCertain(history: readonly Admission[]): number {
  const counts = history.map(
    ({ sentMs }) =>
      history.filter((one) => one.sentMs >= sentMs && one.answeredMs < sentMs + WINDOW_MS).length,
  );
  return Math.max(0, ...counts);
}

describeUnless(redisMissing() || faketimeMissing(), 'three gateways and a store', () => {
  const ends: (() => unknown)[] = [];
  const gatewayClock = new SteppedClock();
  const gateways: GatewayProcess[] = [];
  const history: Admission[] = [];
  let redis: RedisServer;
  let isOver = false;

  beforeAll(async () => {
    const upstream = await FakeUpstream.start();
    ends.push(() => upstream.close());
    redis = await RedisServer.start();
    ends.push(() => redis.stop());
    const rateLimit = { limit: LIMIT, window: '1s', key: 'route', scope: 'cluster' };
    const config = aConfig([upstream.url], {
      route: { rateLimit },
      top: { workers: 1, logging: { accessLog: false }, store: { type: 'redis', url: redis.url } },
    });
    const envs = [{}, {}, gatewayClock.env];
    gateways.push(...(await Promise.all(envs.map((env) => GatewayProcess.start(config, env)))));
    for (const one of gateways) ends.push(() => one.stop());
    await allUp();
  });

  afterAll(async () => {
    isOver = true;
    for (const end of ends.reverse()) await end();
    gatewayClock.remove();
  });

  async function allUp(): Promise<void> {
    for (const one of gateways) {
      await eventually('the store is up, and the gateways know of each other', async () => {
        const { state, nodes } = (await one.stats())['store'] as { state: string; nodes: number };
        return state === 'up' && nodes === GATEWAYS;
      });
    }
  }

  /** One client of one gateway, request after request. */
  async function client(url: string): Promise<void> {
    while (!isOver) {
      const sentMs = performance.now();
      const status = await fetch(url).then(
        async (reply) => {
          await reply.text();
          return reply.status;
        },
        () => 0,
      );
      if (status === 200) history.push({ sentMs, answeredMs: performance.now() });
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  const passed = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

  /** Until more was admitted than before. */
  async function untilAdmitted(): Promise<void> {
    const before = history.length;
    await eventually('something is admitted', () => history.length > before);
  }

  it('admit never more than the limit in any window, whatever hangs, dies or is set', async () => {
    const clients = gateways.flatMap(({ url }) => [client(`${url}/`), client(`${url}/`)]);
    const faults: (() => Promise<unknown> | void)[] = [
      () => gatewayClock.step(HOUR),
      async () => {
        gateways[0]?.child.kill('SIGSTOP');
        await passed(400);
        gateways[0]?.child.kill('SIGCONT');
      },
      async () => {
        redis.pause();
        await passed(400);
        redis.resume();
      },
      () => gatewayClock.step(-HOUR),
      async () => {
        await redis.kill();
        await passed(200);
        await redis.run();
      },
    ];
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const fault of faults) {
        await untilAdmitted();
        await passed(300);
        await fault();
      }
    }
    await allUp();
    await untilAdmitted();
    isOver = true;
    await Promise.all(clients);
    expect(mostForCertain(history)).toBeLessThanOrEqual(LIMIT);
  });
});
