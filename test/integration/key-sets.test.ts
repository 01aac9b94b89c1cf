/**
 * Tokens of an issuer that publishes its keys, over a real gateway and a real issuer process that
 * rotates its keys, breaks and comes back while requests flow.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { InProcessGateway } from '../support/in-process-gateway.js';
import { KeyServer } from '../support/key-server.js';

let upstream: FakeUpstream;
let issuer: KeyServer;
let gateway: InProcessGateway;

function configFor(server: Pick<KeyServer, 'issuer' | 'jwksUri'>): Record<string, unknown> {
  const rest = { issuer: server.issuer, audience: 'api', jwksCooldown: '1s' };
  const algorithms = ['ES256', 'RS256'];
  return {
    workers: 2,
    authenticators: {
      byUrl: { type: 'jwt', algorithms, jwksUri: server.jwksUri, ...rest },
      byUrlAgain: { type: 'jwt', algorithms, jwksUri: server.jwksUri, ...rest },
      discovered: { type: 'jwt', algorithms, discovery: true, ...rest },
    },
    upstreams: { api: { targets: [{ url: upstream.url }] } },
    routes: [
      { name: 'a', match: { path: '/a' }, upstream: 'api', authenticate: ['byUrl'] },
      { name: 'b', match: { path: '/b' }, upstream: 'api', authenticate: ['byUrlAgain'] },
      { name: 'c', match: { path: '/c' }, upstream: 'api', authenticate: ['discovered'] },
    ],
  };
}

beforeAll(async () => {
  upstream = await FakeUpstream.start();
  issuer = await KeyServer.start();
  gateway = await InProcessGateway.start(configFor(issuer));
});

afterAll(async () => {
  await gateway.stop();
  await issuer.kill();
  await upstream.close();
});

async function statusOf(token: string, path = '/a', target = gateway): Promise<number> {
  const headers = { authorization: `Bearer ${token}` };
  const reply = await fetch(`${target.url}${path}`, { headers });
  await reply.arrayBuffer();
  return reply.status;
}

/** Many at once, so that both workers have some. */
async function statusesOf(token: string, path = '/a', count = 40): Promise<Set<number>> {
  return new Set(await Promise.all(Array.from({ length: count }, () => statusOf(token, path))));
}

/** The cool-down is over when an unknown key leads to a fetch again. */
async function afterCooldown(): Promise<void> {
  const before = await issuer.hits();
  await eventually('an unknown key may cause a fetch', async () => {
    await statusOf(await issuer.token({}, { kid: randomBytes(8).toString('hex') }));
    return (await issuer.hits()) > before;
  });
}

describe('keys of a URL', () => {
  it('are fetched once for all workers and authenticators', async () => {
    const token = await issuer.token();
    for (const path of ['/a', '/b', '/c']) {
      expect(await statusesOf(token, path)).toEqual(new Set([200]));
    }
    expect(await issuer.hits('/jwks')).toBe(1);
    expect(await issuer.hits('/oidc-jwks')).toBe(1);
    expect(await issuer.hits('/.well-known/openid-configuration')).toBe(1);
  });

  it('rotate without a request lost', async () => {
    const old = await issuer.token();
    const before = await issuer.hits();
    const seen: number[] = [];
    let isFlowing = true;
    const flow = Promise.all(
      [1, 2, 3, 4].map(async () => {
        while (isFlowing) seen.push(await statusOf(old));
      }),
    );
    await issuer.order({ rotate: true });
    const fresh = await issuer.token();
    expect(await statusesOf(fresh)).toEqual(new Set([200]));
    expect(await statusesOf(old)).toEqual(new Set([200]));
    isFlowing = false;
    await flow;
    expect(new Set(seen)).toEqual(new Set([200]));
    // All of them waited for one fetch.
    expect((await issuer.hits()) - before).toBe(1);
  });

  it('that nobody has cause one fetch, and no more for a while', async () => {
    await afterCooldown();
    const before = await issuer.hits();
    const strange = [
      '../../../../dev/null',
      'key-1\u0000',
      "' UNION SELECT 'x'; --",
      '| cat /etc/passwd',
      'file:///etc/passwd',
      `${issuer.issuer}/jwks`,
      '__proto__',
      'constructor',
      '',
      'x'.repeat(1000),
    ];
    const seen = upstream.headCount;
    for (const kid of [...strange, ...Array.from({ length: 40 }, (_, at) => `made-up-${at}`)]) {
      expect([kid, await statusOf(await issuer.token({}, { kid }))]).toEqual([kid, 401]);
    }
    expect((await issuer.hits()) - before).toBeLessThanOrEqual(1);
    expect(upstream.headCount).toBe(seen);
  });

  it('are used no more once they are out of the set, not even for tokens that are known', async () => {
    const old = await issuer.token();
    expect(await statusesOf(old)).toEqual(new Set([200]));
    await issuer.order({ rotate: true, retire: true });
    const fresh = await issuer.token();
    await eventually('the new key is known', async () => (await statusOf(fresh)) === 200);
    await eventually('the old one is gone in all workers', async () => {
      const statuses = await statusesOf(old);
      return statuses.size === 1 && statuses.has(401);
    });
  });

  it.each(['broken', 'empty', 'silent'] as const)('outlive an issuer that is %s', async (mode) => {
    const token = await issuer.token();
    await eventually('the key is known', async () => (await statusOf(token)) === 200);
    await issuer.order({ mode, rotate: true });
    const fresh = await issuer.token();
    if (mode !== 'silent') {
      await afterCooldown();
      expect(await statusOf(fresh)).toBe(401);
      expect(await statusesOf(token)).toEqual(new Set([200]));
    } else {
      // It hangs on the fetch while all others go on.
      const waiting = statusOf(fresh);
      expect(await statusesOf(token)).toEqual(new Set([200]));
      await issuer.order({ mode: 'good' });
      expect(await waiting).toBe(401);
    }
    await issuer.order({ mode: 'good' });
    await eventually('it is back', async () => (await statusOf(fresh)) === 200);
  });

  it('are there at once in a worker that replaces one that died', async () => {
    const token = await issuer.token();
    await eventually('the key is known', async () => (await statusOf(token)) === 200);
    const before = await issuer.hits();
    await gateway.gateway.supervisor.laneAt(0).kill();
    await eventually('both lanes are served', async () =>
      (await gateway.stats()).workers.every(({ served }) => served),
    );
    expect(await statusesOf(token)).toEqual(new Set([200]));
    expect(await issuer.hits()).toBe(before);
  });
});

describe('a token that brings its own key', () => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = publicKey.export({ format: 'jwk' });
  const sign = (header: object) =>
    new SignJWT({ sub: 'root', iss: issuer.issuer, aud: 'api' })
      .setExpirationTime('5m')
      .setProtectedHeader({ alg: 'RS256', ...header })
      .sign(privateKey);

  it('is refused, and nobody is asked for that key', async () => {
    const theirs = await FakeUpstream.start((_request, response) => {
      response.end(JSON.stringify({ keys: [{ ...jwk, kid: 'theirs' }] }));
    });
    const seen = upstream.headCount;
    const headers = {
      'embedded jwk': { jwk },
      'embedded jwk with a kid': { jwk: { ...jwk, kid: 'theirs' }, kid: 'theirs' },
      'foreign jku': { jku: `${theirs.url}/jwks`, kid: 'theirs' },
      'foreign x5u': { x5u: `${theirs.url}/cert` },
      'embedded x5c': { x5c: ['MIIB'] },
      'kid that is a URL': { kid: `${theirs.url}/jwks` },
    };
    for (const [name, header] of Object.entries(headers)) {
      for (const path of ['/a', '/c']) {
        expect([name, await statusOf(await sign(header), path)]).toEqual([name, 401]);
      }
    }
    expect(theirs.headCount).toBe(0);
    expect(upstream.headCount).toBe(seen);
    await theirs.close();
  });
});

describe('an issuer that is down from the start', () => {
  it('costs 503 for its own tokens only, until it is up', async () => {
    const first = await KeyServer.start();
    const { port, jwksUri } = first;
    await first.kill();
    const config = configFor({ issuer: `http://127.0.0.1:${port}`, jwksUri });
    const other = await InProcessGateway.start(config);
    const token = await issuer.token({ iss: `http://127.0.0.1:${port}` });
    const headers = { authorization: `Bearer ${token}` };
    const reply = await fetch(`${other.url}/a`, { headers });
    expect(reply.status).toBe(503);
    expect(await reply.json()).toMatchObject({ code: 'GW_AUTHENTICATION_UNAVAILABLE' });
    expect(reply.headers.get('retry-after')).toBe('1');
    // What is no token at all needs no key.
    expect(await statusOf('rubbish', '/a', other)).toBe(401);
    const second = await KeyServer.start(port);
    const good = await second.token();
    await eventually('it is up', async () => (await statusOf(good, '/a', other)) === 200);
    await eventually('it is found', async () => (await statusOf(good, '/c', other)) === 200);
    await other.stop();
    await second.kill();
  });
});
