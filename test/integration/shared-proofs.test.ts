/**
 * Two gateways that share a store take a proof of possession, or a signature, once between them;
 * and a nonce of one is good at the other.
 */
import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import type { GatewayProcess } from '../support/gateway-process.js';
import { describeUnless } from '../support/not-run.js';
import { ProofHolder } from '../support/proof-holder.js';
import { redisMissing } from '../support/redis-server.js';
import { SharedGateways } from '../support/shared-gateways.js';

const SECRET = 'a secret of at least thirty-two bytes';
const SHARED = Buffer.alloc(32, 7).toString('base64');

describeUnless(redisMissing(), 'two gateways with one memory of proofs', () => {
  let both: SharedGateways;
  let holder: ProofHolder;
  let token: string;

  beforeAll(async () => {
    const jwt = { type: 'jwt', algorithms: ['HS256'], secret: SECRET, dpopMemory: 'store' };
    const keys = [{ keyId: 'shop', algorithm: 'hmac-sha256', secret: SHARED }];
    both = await SharedGateways.start((store) => ({
      workers: 2,
      logging: { accessLog: false },
      authenticators: {
        apps: jwt,
        nonces: { ...jwt, dpopNonce: '5m' },
        signers: { type: 'httpSignature', keys, components: ['@method', '@path'], memory: 'store' },
      },
      upstreams: { api: { targets: [{ url: 'http://127.0.0.1:9' }] } },
      routes: ['apps', 'nonces', 'signers'].map((name) => ({
        ...{ name, match: { path: `/${name}` }, respond: { status: 204 }, authenticate: [name] },
      })),
      store,
    }));
    holder = await ProofHolder.create();
    token = await holder.token(SECRET);
  });

  afterAll(() => both?.stop());

  const seconds = (): number => Math.floor(Date.now() / 1000);

  const proof = (path: string, { url }: GatewayProcess, claims: Record<string, unknown> = {}) =>
    holder.proof(token, url + path, claims);
  const send = ({ url }: GatewayProcess, path: string, headers: Record<string, string>) =>
    fetch(url + path, { headers });
  const withProof = (gateway: GatewayProcess, path: string, dpop: string) =>
    send(gateway, path, { authorization: `DPoP ${token}`, dpop });

  function signature(nonce: string): Record<string, string> {
    const input = `("@method" "@path");created=${seconds()};keyid="shop";nonce="${nonce}"`;
    const base = `"@method": GET\n"@path": /signers\n"@signature-params": ${input}`;
    const mac = createHmac('sha256', Buffer.from(SHARED, 'base64')).update(base).digest('base64');
    return { 'signature-input': `a=${input}`, signature: `a=:${mac}:` };
  }

  it('take a proof once, of many that come to both at once', async () => {
    const { first, second } = both;
    // A proof is known by its key and its name: these differ in the port only.
    await eventually('one of them is taken', async () => {
      const jti = crypto.randomUUID();
      const pairs = await Promise.all(
        [first, second].map(async (gateway) => {
          const dpop = await proof('/apps', gateway, { jti });
          return Array.from({ length: 6 }, () => withProof(gateway, '/apps', dpop));
        }),
      );
      const statuses = (await Promise.all(pairs.flat())).map(({ status }) => status);
      const taken = statuses.filter((status) => status === 204).length;
      expect(taken).toBeLessThanOrEqual(1);
      // A store that is late on a busy machine: nobody can tell (503), and none is let in.
      expect(statuses.every((status) => [204, 401, 503].includes(status))).toBe(true);
      return taken === 1 && statuses.filter((status) => status === 401).length === 11;
    });
  });

  it('take a signature once', async () => {
    const { first, second } = both;
    await eventually('it is taken once', async () => {
      const fields = signature(crypto.randomUUID());
      const replies = await Promise.all(
        [first, second, first, second].map((gateway) => send(gateway, '/signers', fields)),
      );
      const statuses = replies.map(({ status }) => status).sort((a, b) => a - b);
      expect(statuses.filter((status) => status === 204).length).toBeLessThanOrEqual(1);
      return statuses.join() === '204,401,401,401';
    });
  });

  it('take the nonce of each other', async () => {
    const { first, second } = both;
    const refused = await withProof(first, '/nonces', await proof('/nonces', first));
    expect(refused.status).toBe(401);
    expect(refused.headers.get('www-authenticate')).toContain('error="use_dpop_nonce"');
    const nonce = refused.headers.get('dpop-nonce') ?? '';
    expect(nonce).not.toBe('');
    for (const gateway of [first, second]) {
      await eventually('the nonce is taken', async () => {
        const dpop = await proof('/nonces', gateway, { nonce });
        const { status } = await withProof(gateway, '/nonces', dpop);
        expect([204, 503]).toContain(status);
        return status === 204;
      });
    }
    const dpop = await proof('/nonces', first, { nonce: `${nonce}x` });
    expect((await withProof(first, '/nonces', dpop)).status).toBe(401);
  });

  it('let no proof in while the store is lost, not even later', async () => {
    const { second, proxy } = both;
    proxy.cut();
    let used = '';
    await eventually('nobody can tell', async () => {
      used = await proof('/apps', second);
      return (await withProof(second, '/apps', used)).status === 503;
    });
    expect((await send(second, '/signers', signature('lost'))).status).toBe(503);
    proxy.heal();
    await eventually('the store is back', async () => {
      return (await withProof(second, '/apps', await proof('/apps', second))).status === 204;
    });
    expect((await withProof(second, '/apps', used)).status).toBe(401);
  });
});
