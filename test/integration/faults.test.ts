/**
 * Threads that are made to fail through the admin listener, in a gateway as its users run it.
 * Forbidden: a client that notices without need, a request that runs twice and must not, a limit
 * that lets more in, a process that goes on though its threads die again and again.
 */
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { ACCEPTOR_FORMS } from '../support/acceptor-forms.js';
import { aConfig } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { answerAfter, FakeUpstream, type Script } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { Load } from '../support/load.js';

const quick: Script = (request, response) => {
  request.resume();
  response.end('ok');
};

let upstream: FakeUpstream;
let gateway: GatewayProcess;

afterEach(async () => {
  await gateway.kill();
  await upstream.close();
});

async function start(
  overrides: Parameters<typeof aConfig>[1] = {},
  env: Readonly<Record<string, string>> = { GATEWAY_CHAOS: '1' },
): Promise<void> {
  upstream = await FakeUpstream.start(quick);
  const top = { workers: 2, logging: { accessLog: false }, ...overrides?.top };
  gateway = await GatewayProcess.start(aConfig([upstream.url], { ...overrides, top }), env);
}

async function inject(path: string): Promise<number> {
  const reply = await fetch(`${gateway.adminUrl}/chaos/${path}`, { method: 'POST' });
  await reply.arrayBuffer();
  return reply.status;
}

interface WorkerFigures {
  readonly served: boolean;
  readonly deaths: number;
  readonly in_flight: number;
}

async function workers(): Promise<readonly WorkerFigures[]> {
  return (await gateway.stats())['workers'] as WorkerFigures[];
}

async function isServedAgain(lane: number, deaths: number): Promise<void> {
  await eventually(`lane ${lane} is served after ${deaths} deaths`, async () => {
    const worker = (await workers())[lane];
    return worker?.served === true && worker.deaths === deaths;
  });
}

async function moreReplies(load: Load, count: number): Promise<void> {
  const target = load.replies + count;
  await eventually(`${count} more replies`, () => load.replies >= target);
}

describe('pages that make threads fail', () => {
  it('do not exist without the variable', async () => {
    await start({}, {});
    for (const path of ['worker/0/crash', 'worker/0/hang', 'worker/0/oom', 'coordinator/crash']) {
      expect(await inject(path)).toBe(404);
    }
    const listed = await (await fetch(`${gateway.adminUrl}/nowhere`)).text();
    expect(listed).not.toContain('chaos');
  });

  it('take POST only, and know only what there is', async () => {
    await start();
    expect((await fetch(`${gateway.adminUrl}/chaos/worker/0/crash`)).status).toBe(405);
    for (const path of ['worker/2/crash', 'worker/0/stop', 'coordinator/oom', 'worker']) {
      expect(await inject(path)).toBe(404);
    }
    expect((await workers()).map(({ deaths }) => deaths)).toEqual([0, 0]);
  });
});

describe('a worker that fails', () => {
  it.each([
    ['oom', 1],
    ...ACCEPTOR_FORMS.map((acceptors) => ['crash', acceptors] as const),
    ...ACCEPTOR_FORMS.map((acceptors) => ['hang', acceptors] as const),
  ] as const)(
    'by %s under load is replaced, and no client notices (acceptors: %i)',
    async (fault, acceptors) => {
      await start({ top: { acceptors, limits: { workerHeap: '64MiB' } } });
      // Each client has a request under way at nearly all times: some are the dying worker's.
      upstream.script = answerAfter(20);
      const load = new Load(gateway.url, 16);
      await moreReplies(load, 200);
      for (let deaths = 1; deaths <= 2; deaths++) {
        expect(await inject(`worker/0/${fault}`)).toBe(202);
        await isServedAgain(0, deaths);
        await moreReplies(load, 200);
      }
      await load.stop();
      expect(load.others).toEqual([]);
      expect(gateway.exitCode).toBeNull();
      const stats = await gateway.stats();
      expect(stats['in_flight']).toBe(0);
      expect(stats['moved_requests']).toBeGreaterThan(0);
    },
  );

  it('takes nothing along that can run again, and tells of the rest', async () => {
    await start({ top: { workers: 1 } });
    const held: (() => void)[] = [];
    upstream.script = (request, response) => {
      request.resume();
      if (request.url === '/begun') response.write('the beginning');
      else held.push(() => response.end('late'));
    };
    const begun = new Promise<IncomingMessage>((resolve) => {
      httpRequest(`${gateway.url}/begun`, resolve).end();
    });
    const reply = await begun;
    const isCut = new Promise((resolve) => reply.on('error', resolve));
    reply.resume();
    const again = fetch(`${gateway.url}/again`);
    const post = fetch(`${gateway.url}/once`, { method: 'POST', body: 'x' });
    await eventually('the target has them', () => held.length === 2);
    expect(await inject('worker/0/crash')).toBe(202);
    expect((await post).status).toBe(502);
    expect(await (await post).json()).toMatchObject({ code: 'GW_WORKER_LOST' });
    expect(await isCut).toBeInstanceOf(Error);
    await eventually('the target has it once more', () => held.length === 3);
    held.at(-1)?.();
    expect((await again).status).toBe(200);
    expect(await (await again).text()).toBe('late');
    expect(upstream.headCount).toBe(4);
  });

  it('loses no body that comes while it hangs, and until its successor serves', async () => {
    // A busy machine may need longer for a successor than a request waits by default.
    await start({ top: { workers: 1, limits: { queueTime: '1m' } } });
    let answered = 0;
    const upload = async (): Promise<void> => {
      const reply = await fetch(gateway.url, { method: 'POST', body: 'x'.repeat(10_000) });
      expect([reply.status, await reply.text()]).toEqual([200, 'ok']);
      answered += 1;
    };
    await upload();
    expect(await inject('worker/0/hang')).toBe(202);
    await eventually('its silence is noticed', async () => !(await workers())[0]?.served);
    const uploads = Array.from({ length: 8 }, upload);
    await isServedAgain(0, 1);
    await Promise.all(uploads);
    expect(answered).toBe(9);
  });

  it('keeps the connections of its clients open', async () => {
    await start({ top: { workers: 1 } });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const localPorts: (number | undefined)[] = [];
    const get = (path: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const sent = httpRequest(`${gateway.url}${path}`, { agent }, (reply) => {
          localPorts.push(reply.socket.localPort);
          reply.resume();
          reply.on('end', () => resolve(reply.statusCode));
        });
        sent.on('error', reject);
        sent.end();
      });
    expect(await get('/first')).toBe(200);
    // The first try hangs at the target until its worker is gone.
    upstream.script = (request, response) => {
      upstream.script = quick;
      request.resume();
      response.on('error', () => {});
    };
    const second = get('/second');
    await eventually('the target has it', () => upstream.headCount === 2);
    expect(await inject('worker/0/crash')).toBe(202);
    expect(await second).toBe(200);
    expect(await get('/third')).toBe(200);
    expect(new Set(localPorts).size).toBe(1);
    expect((await workers())[0]?.deaths).toBe(1);
    agent.destroy();
  });

  it('is told as a second loss to a request that has run again before', async () => {
    await start({ top: { workers: 1 } });
    upstream.script = () => {};
    const reply = fetch(gateway.url);
    for (let run = 1; run <= 2; run++) {
      await eventually(`the target has it (${run})`, () => upstream.headCount === run);
      expect(await inject('worker/0/crash')).toBe(202);
      await isServedAgain(0, run);
    }
    expect((await reply).status).toBe(502);
    expect(await (await reply).json()).toMatchObject({ code: 'GW_WORKER_LOST' });
    expect(upstream.headCount).toBe(2);
  });
});

describe('a coordinator that fails', () => {
  it.each(['crash', 'hang'])('by %s goes unnoticed where there is no limit', async (fault) => {
    await start();
    upstream.script = answerAfter(20);
    const load = new Load(gateway.url, 16);
    await moreReplies(load, 200);
    expect(await inject(`coordinator/${fault}`)).toBe(202);
    await eventually('another one runs', () => gateway.find('coordinator runs again').length === 1);
    await moreReplies(load, 200);
    await load.stop();
    expect(load.others).toEqual([]);
    expect(gateway.find('coordinator hangs')).toHaveLength(fault === 'hang' ? 1 : 0);
  });

  it('by hanging forgets nothing, and lets no more in than the limit', async () => {
    const limit = 300;
    await start({ route: { rateLimit: { limit, window: '1h', key: 'route' } } });
    const load = new Load(gateway.url, 8);
    await moreReplies(load, 100);
    for (let deaths = 1; deaths <= 2; deaths++) {
      expect(await inject('coordinator/hang')).toBe(202);
      const again = (): boolean => gateway.find('coordinator runs again').length === deaths;
      await eventually('another one runs', again);
      await eventually('it decides', () => load.count(429) > 50 * deaths);
    }
    await load.stop();
    expect(load.count(200)).toBeLessThanOrEqual(limit);
    expect(load.count(200)).toBeGreaterThan(0);
    expect((await fetch(gateway.url)).status).toBe(429);
  });
});

describe('threads that fail again and again', () => {
  it('end the process with 1, and the last line says why', async () => {
    await start();
    // A worker that serves its lane may not take orders yet.
    const crash = (): Promise<void> =>
      eventually('the worker takes the order', async () => {
        return (await inject('worker/1/crash')) === 202;
      });
    for (let deaths = 1; deaths <= 10; deaths++) {
      await crash();
      await isServedAgain(1, deaths);
    }
    expect((await fetch(gateway.url)).status).toBe(200);
    await crash();
    await gateway.exited;
    expect(gateway.exitCode).toBe(1);
    expect(gateway.records().at(-1)).toMatchObject({
      level: 'fatal',
      msg: 'gateway gives up',
      reason: expect.stringContaining('more than 10 times in a minute'),
    });
    expect(gateway.stderr).toMatch(/^sluice: gives up: threads die too often[^\n]*\n$/);
  });
});
