/**
 * An acceptor in a thread of its own that fails, is reloaded, and ends, in a gateway as its users
 * run it. Forbidden: a failure that takes more along than the connections of that thread, a count
 * that does not come back to zero, a limit that lets more in, a worker that is started again.
 */
import { type ClientRequest, request as httpRequest } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { aConfig } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream, type Script } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { isListening } from '../support/is-listening.js';
import { Load } from '../support/load.js';

const FAULTS = ['crash', 'hang', 'oom', 'exit'];

const quick: Script = (request, response) => {
  request.resume();
  response.end('ok');
};

interface Figures {
  readonly in_flight: number;
  readonly total_requests: number;
  readonly acceptors: readonly {
    readonly serving: boolean;
    readonly deaths: number;
    readonly lost_connections: number;
    readonly in_flight: number;
    readonly connections: { readonly open: number };
  }[];
  readonly workers: readonly { readonly served: boolean; readonly deaths: number }[];
  readonly targets: readonly { readonly in_flight: number }[];
  readonly limits: readonly { readonly tracked_keys: number }[];
}

let upstream: FakeUpstream;
let gateway: GatewayProcess;

afterEach(async () => {
  await gateway.kill();
  await upstream.close();
});

const wire = { port: 0, engine: 'wire' };

function configOf(overrides: Parameters<typeof aConfig>[1] = {}): Record<string, unknown> {
  const top = { workers: 2, listen: wire, logging: { accessLog: false }, ...overrides.top };
  return aConfig([upstream.url], { ...overrides, top });
}

async function start(overrides: Parameters<typeof aConfig>[1] = {}): Promise<void> {
  upstream = await FakeUpstream.start(quick);
  gateway = await GatewayProcess.start(configOf(overrides), { GATEWAY_CHAOS: '1' });
}

async function inject(path: string): Promise<number> {
  const reply = await fetch(`${gateway.adminUrl}/chaos/${path}`, { method: 'POST' });
  await reply.arrayBuffer();
  return reply.status;
}

const stats = (): Promise<Figures> => gateway.stats<Figures>();

async function runsAgain(deaths: number): Promise<void> {
  await eventually(`the acceptor runs after ${deaths} deaths`, async () => {
    const { acceptors, workers } = await stats();
    const [acceptor] = acceptors;
    const isBack = acceptor?.deaths === deaths && acceptor.serving;
    return isBack && workers.every(({ served }) => served);
  });
}

async function nothingIsLeft(): Promise<void> {
  await eventually('nothing is in flight anywhere', async () => {
    const { in_flight: inFlight, targets, limits } = await stats();
    const keys = limits.every(({ tracked_keys: tracked }) => tracked === 0);
    return inFlight === 0 && keys && targets.every((target) => target.in_flight === 0);
  });
}

async function moreReplies(load: Load, count: number): Promise<void> {
  const target = load.count(200) + count;
  await eventually(`${count} more replies`, () => load.count(200) >= target);
}

describe('an acceptor that fails', () => {
  it.each(FAULTS)(
    'by %s under load takes its connections along, and nothing else',
    async (fault) => {
      await start({ top: { limits: { workerHeap: '64MiB' } } });
      const load = new Load(gateway.url, 16);
      await moreReplies(load, 200);
      const upstreamSockets = new Set(upstream.sockets);
      for (let deaths = 1; deaths <= 2; deaths++) {
        expect(await inject(`acceptor/0/${fault}`)).toBe(202);
        await runsAgain(deaths);
        await moreReplies(load, 200);
      }
      await load.stop();
      // Nobody got a wrong reply: connections were cut, or refused while nobody listened.
      expect(load.others.filter(({ status }) => status !== 0)).toEqual([]);
      await nothingIsLeft();
      const { acceptors, workers } = await stats();
      expect(workers.map(({ deaths }) => deaths)).toEqual([0, 0]);
      expect(acceptors[0]?.lost_connections).toBeGreaterThanOrEqual(16);
      expect(acceptors[0]?.lost_connections).toBeLessThanOrEqual(32);
      await eventually('the log tells', () => gateway.find('acceptor died').length === 2);
      const died = gateway.find('acceptor died');
      expect(died.map(({ acceptor, level }) => [acceptor, level])).toEqual([
        [0, 'error'],
        [0, 'error'],
      ]);
      expect(gateway.find('acceptor hangs')).toHaveLength(fault === 'hang' ? 2 : 0);
      expect(gateway.find('worker died')).toEqual([]);
      expect(gateway.exitCode).toBeNull();
      // Workers keep connections that were idle when the acceptor died.
      expect([...upstream.sockets].some((socket) => upstreamSockets.has(socket))).toBe(true);
    },
  );

  it('has what its workers had in flight given back, as if every client had left', async () => {
    await start({ route: { rateLimit: { maxInFlight: 4, key: 'route' } } });
    upstream.script = () => {};
    const lost = [1, 2, 3, 4].map(() => fetch(gateway.url).catch(() => 'lost'));
    await eventually('all are at the target', () => upstream.headCount === 4);
    expect((await fetch(gateway.url)).status).toBe(429);
    expect(await inject('acceptor/0/crash')).toBe(202);
    expect(await Promise.all(lost)).toEqual(['lost', 'lost', 'lost', 'lost']);
    await runsAgain(1);
    await nothingIsLeft();
    await eventually('the target is told', () => upstream.abortedCount === 4);
    upstream.script = quick;
    const again = await Promise.all([1, 2, 3, 4].map(() => fetch(gateway.url)));
    expect(again.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    await eventually('the log tells', () => gateway.find('acceptor died').length === 1);
    const [died] = gateway.find('acceptor died');
    expect(died).toMatchObject({ lostRequests: 4 });
  });

  it('in the middle of long replies and uploads leaves no memory held, and no reply mixed up', async () => {
    await start({ top: { limits: { bodyBytes: '64MiB' } } });
    const bytes = 16 * 2 ** 20;
    upstream.script = (request, response) => {
      request.resume();
      const letter = request.url?.at(-1) ?? '';
      if (request.method === 'GET') response.end(Buffer.alloc(bytes, letter));
      else request.on('end', () => response.end('taken'));
    };
    for (let deaths = 1; deaths <= 3; deaths++) {
      const begun = upstream.headCount;
      // Nobody reads the replies, so that they lie in blocks and rings when the acceptor dies.
      const replies = ['a', 'b', 'c', 'd'].map((letter) => openedOnly(`${gateway.url}/${letter}`));
      const uploads = [1, 2, 3].map(() => endlessUpload(gateway.url));
      await eventually('all are under way', () => upstream.headCount >= begun + 7);
      expect(await inject('acceptor/0/crash')).toBe(202);
      await Promise.all(uploads);
      for (const reply of replies) reply.destroy();
      await runsAgain(deaths);
      await nothingIsLeft();
    }
    await eventually('no block is held', async () => {
      const { workers } = await gateway.stats<{
        readonly workers: readonly {
          readonly body_blocks: number;
          readonly backlog_bytes: number;
        }[];
      }>();
      return workers.every((one) => one.body_blocks === 0 && one.backlog_bytes === 0);
    });
    const letters = ['a', 'b', 'c', 'd'];
    const bodies = await Promise.all(
      letters.map(async (letter) => {
        const reply = await fetch(`${gateway.url}/${letter}`);
        return Buffer.from(await reply.arrayBuffer());
      }),
    );
    for (const [at, body] of bodies.entries()) {
      expect(body.equals(Buffer.alloc(bytes, letters[at]))).toBe(true);
    }
    expect(gateway.find('internal error')).toEqual([]);
  });

  it('lets exactly as many in as the limit, over all its deaths', async () => {
    const limit = 1000;
    await start({ route: { rateLimit: { limit, window: '1h', key: 'route' } } });
    const load = new Load(gateway.url, 8);
    for (let deaths = 1; deaths <= 3; deaths++) {
      await moreReplies(load, 100);
      expect(await inject('acceptor/0/crash')).toBe(202);
      await runsAgain(deaths);
    }
    await eventually('the limit is reached', () => load.count(429) > 100);
    await load.stop();
    // What was admitted and lost on the way to the target counts as well.
    expect(upstream.headCount).toBeLessThanOrEqual(limit);
    expect(upstream.headCount).toBeGreaterThanOrEqual(limit - 3 * 8);
    expect((await fetch(gateway.url)).status).toBe(429);
  });

  it('ends the process when it dies again and again', async () => {
    await start();
    for (let deaths = 1; deaths <= 10; deaths++) {
      expect(await inject('acceptor/0/crash')).toBe(202);
      await runsAgain(deaths);
    }
    expect((await fetch(gateway.url)).status).toBe(200);
    await inject('acceptor/0/crash');
    await gateway.exited;
    expect(gateway.exitCode).toBe(1);
    expect(gateway.records().at(-1)).toMatchObject({ level: 'fatal', msg: 'gateway gives up' });
  });
});

describe('a worker that fails behind an acceptor in a thread', () => {
  it.each(['crash', 'hang', 'exit'])('by %s is replaced, and no client notices', async (fault) => {
    await start();
    const load = new Load(gateway.url, 16);
    await moreReplies(load, 200);
    expect(await inject(`worker/0/${fault}`)).toBe(202);
    await eventually('the lane is served again', async () => {
      const [worker] = (await stats()).workers;
      return worker?.served === true && worker.deaths === 1;
    });
    await moreReplies(load, 200);
    await load.stop();
    expect(load.others).toEqual([]);
    await nothingIsLeft();
  });

  it('at the same moment as the acceptor leaves nothing behind', async () => {
    await start();
    const load = new Load(gateway.url, 16);
    for (let round = 1; round <= 3; round++) {
      await moreReplies(load, 100);
      const codes = await Promise.all(['acceptor/0/crash', 'worker/1/crash'].map(inject));
      expect(codes).toEqual([202, 202]);
      await eventually('both are back', async () => {
        const { acceptors, workers } = await stats();
        const served = workers.every((worker) => worker.served);
        return acceptors[0]?.deaths === round && workers[1]?.deaths === round && served;
      });
    }
    await moreReplies(load, 100);
    await load.stop();
    await nothingIsLeft();
  });
});

describe('a gateway whose acceptor has a thread', () => {
  it('is reloaded under load without a failure, and listens in more places', async () => {
    await start({ top: { listen: { ...wire, name: 'first' } } });
    const load = new Load(gateway.url, 8);
    await moreReplies(load, 100);
    const second = await freePort();
    const listen = [
      { ...wire, name: 'first' },
      { ...wire, name: 'second', port: second },
    ];
    for (let epoch = 2; epoch <= 4; epoch++) {
      const rewriteReply = { headers: { set: { 'x-epoch': String(epoch) } } };
      gateway.rewrite({ ...configOf({ route: { rewriteReply } }), listen, admin: { port: 0 } });
      await eventually(`version ${epoch}`, () => {
        return gateway.find('configuration applied').length === epoch - 1;
      });
      await moreReplies(load, 50);
    }
    await load.stop();
    expect(gateway.find('configuration refused, the old one stays in force')).toEqual([]);
    expect(load.others).toEqual([]);
    expect((await fetch(`http://127.0.0.1:${second}`)).status).toBe(200);
    expect(await inject('acceptor/0/crash')).toBe(202);
    await runsAgain(1);
    for (const url of [gateway.url, `http://127.0.0.1:${second}`]) {
      await eventually(`${url} answers`, async () => {
        const reply = await fetch(url).catch(() => null);
        return reply?.status === 200;
      });
    }
  });

  it('finishes what is in flight when it is to stop, and ends with 0', async () => {
    await start();
    const held: (() => void)[] = [];
    upstream.script = (request, response) => {
      request.resume();
      held.push(() => response.end('late'));
    };
    const reply = fetch(gateway.url);
    await eventually('the target has it', () => held.length === 1);
    const stopped = gateway.stop();
    await eventually('nobody listens', async () => !(await isListening(gateway.port)));
    held[0]?.();
    expect(await (await reply).text()).toBe('late');
    await stopped;
    expect(gateway.exitCode).toBe(0);
    expect(gateway.find('requests cut off at the deadline')).toEqual([]);
  });

  it('ends when its acceptor dies while it is to stop, and says what was cut off', async () => {
    await start({ top: { shutdown: { grace: '60s' } } });
    upstream.script = () => {};
    const reply = fetch(gateway.url).catch(() => 'lost');
    await eventually('the target has it', () => upstream.headCount === 1);
    const stopped = gateway.stop();
    await eventually('it stops', () => gateway.find('gateway stopping').length === 1);
    expect(await inject('acceptor/0/hang')).toBe(202);
    await stopped;
    expect(await reply).toBe('lost');
    expect(gateway.find('requests cut off at the deadline')).toHaveLength(1);
    expect(gateway.find('gateway stopped')).toHaveLength(1);
  });

  it('ends with 1 and one line for a port in use', async () => {
    upstream = await FakeUpstream.start(quick);
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    gateway = GatewayProcess.spawn(configOf({ top: { listen: { ...wire, port } } }));
    await gateway.exited;
    taken.close();
    expect(gateway.exitCode).toBe(1);
    expect(gateway.stderr).toBe(
      `sluice: cannot listen on 127.0.0.1:${port}: the address is in use\n`,
    );
  });

  it('logs its own replies, counts them, and shows itself in the figures', async () => {
    await start({ top: { logging: { accessLog: true } } });
    const status = await new Promise((resolve, reject) => {
      const sent = httpRequest(gateway.url, {
        method: 'POST',
        headers: { 'content-length': 2 ** 31 },
      });
      sent.on('response', (reply) => resolve(reply.statusCode));
      sent.on('error', reject);
      sent.flushHeaders();
    });
    expect(status).toBe(413);
    await eventually('the record', () => gateway.find('request').length === 1);
    expect(gateway.find('request')[0]).toMatchObject({ thread: 'acceptor', status: 413 });
    const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    expect(metrics).toContain('gateway_acceptor_deaths_total{acceptor="0"} 0');
    expect((await stats()).total_requests).toBe(1);
  });
});

/** A request whose reply is never read. */
function openedOnly(url: string): ClientRequest {
  const sent = httpRequest(url, (reply) => {
    reply.on('error', () => {});
    reply.pause();
  });
  sent.on('error', () => {});
  sent.end();
  return sent;
}

/** An upload that goes on until its connection ends. */
function endlessUpload(url: string): Promise<void> {
  return new Promise((resolve) => {
    const sent = httpRequest(url, { method: 'POST', headers: { 'content-length': 32 * 2 ** 20 } });
    const piece = Buffer.alloc(64 * 1024, 'u');
    const more = (): void => {
      while (!sent.destroyed && sent.write(piece));
    };
    let left = 200;
    sent.on('drain', () => {
      left -= 1;
      if (left > 0) more();
    });
    sent.on('response', (reply) => reply.resume());
    sent.on('error', () => resolve());
    sent.on('close', () => resolve());
    more();
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
