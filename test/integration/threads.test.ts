/**
 * Threads that die under load. Forbidden: a process that ends, a request that hangs, a limit that
 * lets more in, a breaker that forgets.
 */
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { ACCEPTOR_FORMS } from '../support/acceptor-forms.js';
import { readBulk } from '../support/bulk-body.js';
import { aConfig } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { answerAfter, FakeUpstream } from '../support/fake-upstream.js';
import { InProcessGateway } from '../support/in-process-gateway.js';
import { Load } from '../support/load.js';

const quick = (_request: IncomingMessage, response: ServerResponse): void => {
  response.end('ok');
};

let upstream: FakeUpstream;
let gateway: InProcessGateway;

afterEach(async () => {
  await gateway.stop();
  await upstream.close();
});

async function start(workers: number, overrides: Parameters<typeof aConfig>[1] = {}) {
  upstream = await FakeUpstream.start(quick);
  const top = { workers, ...overrides?.top };
  gateway = await InProcessGateway.start(aConfig([upstream.url], { ...overrides, top }));
}

async function laneIsServed(lane: number, deaths: number): Promise<void> {
  await eventually(`lane ${lane} is served after ${deaths} deaths`, async () => {
    const worker = (await gateway.stats()).workers[lane];
    return worker?.served === true && worker.deaths === deaths;
  });
}

async function moreReplies(load: Load, count: number): Promise<void> {
  const target = load.replies + count;
  await eventually(`${count} more replies`, () => load.replies >= target);
}

describe('a worker that dies', () => {
  it.each([1, 2])('under load costs only what it was working on (%i workers)', async (workers) => {
    await start(workers);
    upstream.script = answerAfter(20);
    const connections = 16;
    const load = new Load(gateway.url, connections);
    await moreReplies(load, 300);
    for (let deaths = 1; deaths <= 2; deaths++) {
      await gateway.gateway.supervisor.laneAt(0).kill();
      await laneIsServed(0, deaths);
      await moreReplies(load, 300);
    }
    const othersBefore = load.others.length;
    await moreReplies(load, 500);
    await load.stop();
    expect(load.others.length).toBe(othersBefore);
    for (const { status, body } of load.others) {
      if (status === 0) continue;
      // With one worker nobody serves until the next one is there.
      const codes = workers === 1 ? ['GW_WORKER_LOST', 'GW_NOT_READY'] : ['GW_WORKER_LOST'];
      expect(codes).toContain((JSON.parse(body) as { code: string }).code);
    }
    const lost = load.others.filter(({ body }) => !body.includes('GW_NOT_READY'));
    expect(lost.length).toBeLessThanOrEqual(2 * connections);
    await gateway.nothingInFlight();
    expect((await gateway.stats()).workers[0]?.deaths).toBe(2);
  });

  it('answers with 502 for a request that cannot run again', async () => {
    await start(1);
    upstream.script = () => {};
    const reply = fetch(gateway.url, { method: 'POST', body: 'x' });
    await eventually('the target has it', () => upstream.headCount === 1);
    await gateway.gateway.supervisor.laneAt(0).kill();
    expect((await reply).status).toBe(502);
    expect(await (await reply).json()).toMatchObject({ code: 'GW_WORKER_LOST' });
    await eventually('the target sees it leave', () => upstream.abortedCount === 1);
    await laneIsServed(0, 1);
    upstream.script = quick;
    expect((await fetch(gateway.url)).status).toBe(200);
  });

  it('cuts a reply that had begun, and an upload under way', async () => {
    await start(1);
    upstream.script = (request, response) => {
      request.resume();
      request.on('error', () => {});
      if (request.method === 'GET') response.write('the beginning');
    };
    const reply = await new Promise<IncomingMessage>((resolve) => {
      httpRequest(gateway.url, resolve).end();
    });
    const upload = httpRequest(gateway.url, { method: 'POST' });
    upload.write('some');
    const answered = new Promise<number>((resolve) => {
      upload.on('response', (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      });
      upload.on('error', () => resolve(0));
    });
    await eventually('the target has both', () => upstream.headCount === 2);
    const arrived = readBulk(reply);
    await gateway.gateway.supervisor.laneAt(0).kill();
    await expect(arrived).rejects.toThrow();
    expect(await answered).toBe(502);
    upload.destroy();
    await gateway.nothingInFlight();
  });
});

describe('a coordinator that dies', () => {
  it.each(ACCEPTOR_FORMS)(
    'under load comes back, and its limit lets no more in than before (acceptors: %i)',
    async (acceptors) => {
      const limit = 500;
      const rateLimit = { limit, window: '1h', key: 'route' };
      await start(2, { route: { rateLimit }, top: { acceptors } });
      const load = new Load(gateway.url, 16);
      for (let deaths = 1; deaths <= 3; deaths++) {
        await moreReplies(load, 200);
        await gateway.gateway.supervisor.coordinator.kill();
        const before = load.count(429) + load.count(200);
        await eventually('it decides again', () => load.count(429) + load.count(200) > before + 50);
      }
      await moreReplies(load, 500);
      await load.stop();
      expect(load.count(200)).toBeLessThanOrEqual(limit);
      expect(load.count(200)).toBeGreaterThan(0);
      expect(load.count(429)).toBeGreaterThan(0);
      for (const { status, body } of load.others) {
        expect(status).toBe(503);
        expect(body).toContain('GW_COORDINATOR_UNAVAILABLE');
      }
      expect((await gateway.stats()).coordinator.deaths).toBe(3);
      expect((await fetch(gateway.url)).status).toBe(429);
      await gateway.nothingInFlight();
    },
  );

  it('does not forget an open breaker', async () => {
    const circuitBreaker = { failureThreshold: 3, failureOn: ['5xx'], openFor: '60s' };
    await start(1, { upstream: { circuitBreaker } });
    upstream.script = (_request, response) => {
      response.writeHead(500).end();
    };
    const state = async (): Promise<string | undefined> =>
      Object.values((await gateway.stats()).circuit_breakers)[0];
    for (let failure = 0; failure < 3; failure++) await (await fetch(gateway.url)).text();
    await eventually('the breaker is open', async () => (await state()) === 'OPEN');
    const thread = (await gateway.stats()).threads.coordinator;
    await gateway.gateway.supervisor.coordinator.kill();
    await eventually('another one runs', async () => {
      return (await gateway.stats()).threads.coordinator !== thread;
    });
    expect(await state()).toBe('OPEN');
    const reply = await fetch(gateway.url);
    expect(reply.status).toBe(503);
    expect(await reply.json()).toMatchObject({ title: 'Circuit open' });
    expect(upstream.headCount).toBe(3);
  });
});

describe('threads that die again and again', () => {
  it('make the gateway give up at the eleventh death in a minute', async () => {
    const reasons: string[] = [];
    upstream = await FakeUpstream.start(quick);
    gateway = await InProcessGateway.start(aConfig([upstream.url], { top: { workers: 1 } }), {
      onGivingUp: (reason) => reasons.push(reason),
    });
    for (let deaths = 1; deaths <= 10; deaths++) {
      await gateway.gateway.supervisor.laneAt(0).kill();
      await laneIsServed(0, deaths);
    }
    expect(reasons).toEqual([]);
    await gateway.gateway.supervisor.laneAt(0).kill();
    await eventually('it gives up', () => reasons.length === 1);
    expect(reasons[0]).toContain('too often');
    const reply = await fetch(gateway.url);
    expect(reply.status).toBe(503);
    expect(await reply.json()).toMatchObject({ code: 'GW_NOT_READY' });
  });
});
