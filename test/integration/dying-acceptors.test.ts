/**
 * Acceptors that die at the worst moment: while handshakes of WebSockets are under way, and while
 * the gateway ends. Forbidden: a place of a limit that a dead client keeps, a tunnel of the other
 * acceptor that ends, a request of the other acceptor that is lost, a process that never ends.
 */
import { request } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { aConfig } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { acceptorsOf, replaceAcceptor } from '../support/several-acceptors.js';
import {
  handshake,
  opening,
  type RawEnd,
  RawTarget,
  rawClient,
} from '../support/websocket-peers.js';

const CLIENTS = 12;

const cleanups: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(url: string, route: Record<string, unknown> = {}): Promise<GatewayProcess> {
  const listen = { port: 0, engine: 'wire' };
  const top = { ...{ workers: 2, acceptors: 2, listen }, logging: { accessLog: false } };
  const config = aConfig([url], { route, top, upstream: { retry: { attempts: 0 } } });
  const gateway = await GatewayProcess.start(config, { GATEWAY_CHAOS: '1' });
  cleanups.push(() => gateway.kill());
  return gateway;
}

async function inject(gateway: GatewayProcess, path: string): Promise<void> {
  const reply = await fetch(`${gateway.adminUrl}/chaos/${path}`, { method: 'POST' });
  await reply.arrayBuffer();
  expect(reply.status).toBe(202);
}

/** 0: it was cut. */
function statusOverOwnConnection(gateway: GatewayProcess): Promise<number> {
  return new Promise((resolve) => {
    const sent = request(gateway.url, { agent: false }, (reply) => {
      reply.resume();
      reply.on('end', () => resolve(reply.statusCode ?? 0));
    });
    sent.on('error', () => resolve(0));
    sent.end();
  });
}

const isOpen = ({ closedBy, hasEnded }: RawEnd): boolean => closedBy === '' && !hasEnded;

describe('an acceptor that dies', () => {
  it('gives back the places of its WebSockets, open or in their handshake', async () => {
    const target = await RawTarget.start();
    cleanups.push(() => target.close());
    const rateLimit = { maxInFlight: CLIENTS, key: 'route' };
    const gateway = await start(target.url, { rateLimit });
    let isAnswering = true;
    target.answer = (end, head) => {
      if (isAnswering) end.socket.write(opening(head));
    };
    const clients: RawEnd[] = [];
    const open = (): RawEnd => {
      const client = rawClient(gateway.port, handshake());
      clients.push(client);
      cleanups.push(() => void client.socket.destroy());
      return client;
    };
    for (let count = 0; count < CLIENTS / 2; count++) await open().untilHead();
    isAnswering = false;
    for (let count = 0; count < CLIENTS / 2; count++) open();
    await eventually('the target has all', () => target.ends.length === CLIENTS);
    const refuse = (client: RawEnd): void => {
      expect(client.status).toBe(429);
      client.socket.destroy();
      clients.pop();
    };
    const refused = open();
    await refused.untilHead();
    refuse(refused);
    isAnswering = true;
    for (const acceptor of [1, 0]) {
      await replaceAcceptor(gateway, acceptor, 'crash');
      let left = 0;
      await eventually('the target and the gateway have what is left', async () => {
        left = clients.filter(isOpen).length;
        const { in_flight: inFlight } = await gateway.stats<{ readonly in_flight: number }>();
        return inFlight === left && target.ends.filter(isOpen).length === left;
      });
      while (left < CLIENTS) {
        const client = open();
        await client.untilHead();
        if (client.status === 101) left += 1;
        else refuse(client);
      }
    }
    const last = open();
    await last.untilHead();
    expect(last.status).toBe(429);
  });
});

describe('an acceptor that dies again and again', () => {
  it('rests for a while, and the gateway goes on with the other one', async () => {
    const upstream = await FakeUpstream.start((request, response) => {
      request.resume();
      response.end('ok');
    });
    cleanups.push(() => upstream.close());
    const gateway = await start(upstream.url);
    const readiness = async (): Promise<{ readonly restingAcceptors?: number }> => {
      const reply = await fetch(`${gateway.adminUrl}/readyz`);
      expect(reply.status).toBe(200);
      return (await reply.json()) as object;
    };
    const row = async () => (await acceptorsOf(gateway))[1];
    // A rest that is over before a slow machine looks is followed by a longer one.
    let ready = await readiness();
    for (let death = 1; ready.restingAcceptors === undefined; death++) {
      await inject(gateway, 'acceptor/1/crash');
      await eventually('it serves or rests', async () => {
        const now = await row();
        return now !== undefined && now.deaths >= death && (now.serving || now.resting);
      });
      ready = await readiness();
    }
    const rests = () => gateway.find('acceptor dies again and again: its place rests');
    await eventually('the log says so', () => rests().length > 0);
    expect(rests()[0]).toMatchObject({ acceptor: 1, restMs: 1000 });
    expect(ready).toMatchObject({ status: 'ready', idleCells: 1, restingAcceptors: 1 });
    for (let count = 0; count < 10; count++) {
      expect(await statusOverOwnConnection(gateway)).toBe(200);
    }
    await eventually('it is back', async () => (await row())?.serving === true);
    expect(await readiness()).not.toHaveProperty('restingAcceptors');
    const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    expect(metrics).toContain('gateway_acceptor_resting{acceptor="1"} 0');
  });
});

describe('SIGTERM while an acceptor', () => {
  it.each([
    ['is started again', 'crash'],
    ['hangs', 'hang'],
  ])('%s ends the process, and requests of the other one with it', async (_, fault) => {
    const answers: (() => void)[] = [];
    const upstream = await FakeUpstream.start((request, response) => {
      request.resume();
      answers.push(() => response.end('whole'));
    });
    cleanups.push(() => upstream.close());
    const gateway = await start(upstream.url);
    const replies = Array.from({ length: CLIENTS }, async () => {
      try {
        return await (await fetch(gateway.url)).text();
      } catch {
        return 'lost';
      }
    });
    await eventually('the target has all', () => answers.length === CLIENTS);
    const ofTheOther = (await acceptorsOf(gateway))[0]?.connections.open ?? 0;
    await inject(gateway, `acceptor/1/${fault}`);
    if (fault === 'crash') {
      await eventually('it has died', () => gateway.find('acceptor died').length === 1);
    }
    gateway.child.kill('SIGTERM');
    await eventually('it stops', () => gateway.find('gateway stopping').length === 1);
    for (const answer of answers) answer();
    const texts = await Promise.all(replies);
    await gateway.exited;
    expect([gateway.exitCode, gateway.stderr]).toEqual([0, '']);
    const whole = texts.filter((text) => text === 'whole').length;
    expect(whole).toBeGreaterThanOrEqual(ofTheOther);
    expect(gateway.find('internal error')).toEqual([]);
  });
});
