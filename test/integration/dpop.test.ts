/** Tokens that are bound to a key of their holder (DPoP), over a gateway with several workers. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GuardedGateway } from '../support/guarded-gateway.js';
import { ProofHolder } from '../support/proof-holder.js';

const SECRET = 'a secret of at least thirty-two bytes';

let gateway: GuardedGateway;
let holder: ProofHolder;

beforeAll(async () => {
  const jwt = {
    type: 'jwt',
    algorithms: ['HS256'],
    secret: SECRET,
    claimHeaders: { 'x-user': 'sub' },
  };
  holder = await ProofHolder.create();
  gateway = await GuardedGateway.start({
    workers: 2,
    authenticators: {
      plain: jwt,
      told: { ...jwt, dpop: 'accepted' },
      strict: { ...jwt, dpop: 'required' },
    },
    routes: { '/plain/*': ['plain'], '/told/*': ['told'], '/strict/*': ['strict'] },
    answer: ({ headers }) => ({ user: headers['x-user'] ?? '' }),
  });
});

afterAll(() => gateway?.stop());

const token = (isBound = true): Promise<string> =>
  isBound ? holder.token(SECRET) : holder.token(SECRET, {});

const proof = (of: string, path: string): Promise<string> => holder.proof(of, gateway.url + path);

function get(path: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(gateway.url + path, { headers });
}

describe('a token that is bound to a key', () => {
  it('lets its holder in, with a proof for each request', async () => {
    const bound = await token();
    for (const path of ['/plain/a', '/plain/a', '/told/%61', '/strict/a']) {
      const dpop = await proof(bound, path);
      const reply = await get(`${path}?q=1`, { authorization: `DPoP ${bound}`, dpop });
      expect([path, reply.status]).toEqual([path, 200]);
      expect(await reply.json()).toEqual({ user: 'ada' });
    }
  });

  it('lets a proof through once, whichever worker gets it', async () => {
    const bound = await token();
    const dpop = await proof(bound, '/plain/once');
    const before = gateway.reached;
    const replies = await Promise.all(
      Array.from({ length: 12 }, () =>
        get('/plain/once', { authorization: `DPoP ${bound}`, dpop, connection: 'close' }),
      ),
    );
    const statuses = replies.map(({ status }) => status).sort((a, b) => a - b);
    expect(statuses).toEqual([200, ...Array.from({ length: 11 }, () => 401)]);
    expect(gateway.reached - before).toBe(1);
    const refused = replies.find(({ status }) => status === 401);
    expect(await refused?.text()).toContain('the DPoP proof was used before');
  });

  it('is refused for another URL, and as a bearer token, and says why', async () => {
    const bound = await token();
    const before = gateway.reached;
    const other = await get('/plain/b', {
      authorization: `DPoP ${bound}`,
      dpop: await proof(bound, '/plain/a'),
    });
    expect(other.status).toBe(401);
    expect(other.headers.get('www-authenticate')).toMatch(
      /^DPoP realm="sluice", algs="ES256 [^"]*", error="invalid_dpop_proof", error_description="/,
    );
    const bearer = await get('/plain/a', { authorization: `Bearer ${bound}` });
    expect(bearer.status).toBe(401);
    expect(bearer.headers.get('www-authenticate')).toContain('error="invalid_token"');
    const missing = await get('/told/a', { authorization: `DPoP ${bound}` });
    expect(missing.status).toBe(401);
    expect(gateway.reached).toBe(before);
  });
});

describe('a token that is bound to nothing', () => {
  it('is a bearer token, but not where bound ones are required', async () => {
    const authorization = `Bearer ${await token(false)}`;
    for (const [path, status] of [
      ['/plain/a', 200],
      ['/told/a', 200],
      ['/strict/a', 401],
    ] as const) {
      expect([path, (await get(path, { authorization })).status]).toEqual([path, status]);
    }
  });

  it('is asked for in the schemes that the route takes', async () => {
    const asked = async (path: string) => (await get(path)).headers.get('www-authenticate');
    expect(await asked('/plain/a')).toBe('Bearer realm="sluice"');
    expect(await asked('/told/a')).toMatch(/^Bearer realm="sluice", DPoP realm="sluice", algs=/);
    expect(await asked('/strict/a')).toMatch(/^DPoP realm="sluice", algs=/);
  });
});
