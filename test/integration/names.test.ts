/**
 * What a target and a client get to know of each other's names: Host, Location, cookies, and Via.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { GatewayProcess } from '../support/gateway-process.js';
import { rawExchange } from '../support/raw-exchange.js';
import { RawOrigin } from '../support/raw-origin.js';

const TOKEN = 'a-token-for-reloads';

let origin: RawOrigin;
let gateway: GatewayProcess;

function routesTo(upstream: string, more: object = {}): object[] {
  return [{ name: `to-${upstream}`, match: { path: `/${upstream}/*` }, upstream, ...more }];
}

function configOf(more: object): Record<string, unknown> {
  const targets = [{ url: origin.url }];
  return {
    ...{ workers: 1, logging: { accessLog: false }, admin: { port: 0, token: TOKEN } },
    upstreams: {
      plain: { targets },
      hidden: { targets, preserveHost: false },
      kept: { targets, preserveHost: true },
    },
    routes: [
      ...routesTo('plain'),
      ...routesTo('hidden'),
      ...routesTo('kept', { preserveHost: false }),
      { name: 'exception', match: { path: '/exception' }, upstream: 'hidden', preserveHost: true },
    ],
    ...more,
  };
}

function ask(path: string, fields = ''): Promise<string> {
  const request = `GET ${path} HTTP/1.1\r\nHost: shop.example:81\r\n${fields}\r\n`;
  return rawExchange(gateway.port, [request], { until: /\r\n\r\n/ }).then(({ text }) => text);
}

function received(name: string): (string | undefined)[] {
  return origin.requests.map(({ fields }) => fields.find(([one]) => one === name)?.[1]);
}

beforeAll(async () => {
  origin = await RawOrigin.start();
  gateway = await GatewayProcess.start(configOf({}));
});

afterAll(async () => {
  await gateway.stop();
  await origin.close();
});

beforeEach(() => {
  for (const connection of origin.connections) connection.requests.length = 0;
  const own = `127.0.0.1:${origin.port}`;
  origin.script = (socket) =>
    socket.write(
      `HTTP/1.1 302 Found\r\nLocation: http://${own}/docs/\r\n` +
        `Set-Cookie: a=b; Domain=127.0.0.1\r\nVia: 1.1 inner\r\nContent-Length: 0\r\n\r\n`,
    );
});

describe('a target', () => {
  it.each([
    ['/plain/x', 'shop.example:81'],
    ['/hidden/x', 'the target'],
    ['/kept/x', 'the target'],
    ['/exception', 'shop.example:81'],
  ])('of %s gets the Host of %s, and its client can follow what it says', async (path, host) => {
    const isKept = host === 'shop.example:81';
    const own = `127.0.0.1:${origin.port}`;
    const reply = await ask(path);
    expect(received('host')).toEqual([isKept ? host : own]);
    expect(received('x-forwarded-host')).toEqual(['shop.example:81']);
    const domain = isKept ? '127.0.0.1' : 'shop.example';
    expect(reply).toContain(`Location: http://shop.example:81/docs/\r\n`);
    expect(reply).toContain(`Set-Cookie: a=b; Domain=${domain}\r\n`);
  });
});

describe('Via', () => {
  it('is left to others unless it is asked for', async () => {
    const reply = await ask('/plain/x', 'Via: 1.0 outer\r\n');
    await ask('/plain/x');
    expect(received('via')).toEqual(['1.0 outer', undefined]);
    expect(reply.match(/^via: .*(?=\r$)/gim)).toEqual(['Via: 1.1 inner']);
  });

  it.each([
    ['requests', '1.0 outer, 1.1 sluice', ['Via: 1.1 inner']],
    ['replies', '1.0 outer', ['Via: 1.1 inner', 'via: 1.1 sluice']],
    ['both', '1.0 outer, 1.1 sluice', ['Via: 1.1 inner', 'via: 1.1 sluice']],
  ])('names the gateway in %s', async (via, sent, replied) => {
    gateway.rewrite(configOf({ via }));
    expect((await gateway.post('/reload', TOKEN)).status).toBe(200);
    const reply = await ask('/plain/x', 'Via: 1.0 outer\r\n');
    expect(received('via')).toEqual([sent]);
    expect(reply.match(/^via: .*(?=\r$)/gim)).toEqual(replied);
  });
});

describe('Date', () => {
  const past = 'Sun, 06 Nov 1994 08:49:37 GMT';
  const send = async (date: string, engine: string): Promise<string[]> => {
    origin.script = (socket) =>
      socket.write(`HTTP/1.1 200 OK\r\n${date}X-A: 1\r\nContent-Length: 2\r\n\r\nok`);
    const other = await GatewayProcess.start(configOf({}), { GATEWAY_ENGINE: engine });
    try {
      const request = 'GET /plain/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
      const { text } = await rawExchange(other.port, [request]);
      expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n(?:[^\r\n]+\r\n)+\r\nok$/);
      expect(text).toContain('X-A: 1\r\n');
      return text.match(/^date: .*(?=\r$)/gim) ?? [];
    } finally {
      await other.stop();
    }
  };

  it('of a target is kept, and one is written where there is none', async () => {
    expect(await send(`Date: ${past}\r\n`, 'wire')).toEqual([`date: ${past}`]);
    const [own, second] = await send('', 'wire');
    expect([own?.startsWith('Date: '), second]).toEqual([true, undefined]);
    expect(await send('Date: yesterday\r\n', 'wire')).toHaveLength(1);
  });

  it('is there once on uws, which always writes its own', async () => {
    const found = await send(`Date: ${past}\r\n`, 'uws');
    expect([found.length, found[0]?.includes('1994')]).toEqual([1, false]);
  });
});
