/** Callers who sign their requests (RFC 9421), over a gateway that runs. */
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GuardedGateway } from '../support/guarded-gateway.js';

const BYTES_MAX = 256 * 1024;
const { privateKey, publicKey } = generateKeyPairSync('ed25519');

let gateway: GuardedGateway;

beforeAll(async () => {
  gateway = await GuardedGateway.start({
    workers: 1,
    authenticators: {
      partners: {
        type: 'httpSignature',
        bodyBytes: BYTES_MAX,
        claimHeaders: { 'x-signer': 'sub' },
        keys: [
          {
            keyId: 'acme-1',
            consumer: 'acme',
            algorithm: 'ed25519',
            publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
          },
        ],
      },
    },
    routes: { '/api/*': ['partners'] },
    answer: ({ headers }, body) => ({ bytes: body.length, signer: headers['x-signer'] ?? '' }),
  });
});

afterAll(() => gateway?.stop());

interface Wish {
  readonly method?: string;
  readonly path: string;
  readonly body?: Buffer;
  /** Seconds. */
  readonly age?: number;
}

/** The fields of a request that is signed as it should be. */
function signedFields({ method = 'GET', path, body, age = 0 }: Wish): Record<string, string> {
  const at = path.indexOf('?');
  const components: [name: string, value: string][] = [
    ['@method', method],
    ['@authority', new URL(gateway.url).host],
    ['@path', at === -1 ? path : path.slice(0, at)],
  ];
  if (at !== -1) components.push(['@query', path.slice(at)]);
  const fields: Record<string, string> = {};
  if (body !== undefined) {
    const digest = createHash('sha256').update(body).digest('base64');
    fields['content-digest'] = `sha-256=:${digest}:`;
    components.push(['content-digest', fields['content-digest']]);
    components.push(['content-length', String(body.length)]);
  }
  const created = Math.floor(Date.now() / 1000) - age;
  const names = components.map(([name]) => `"${name}"`).join(' ');
  const input = `(${names});created=${created};keyid="acme-1"`;
  const lines = components.map(([name, value]) => `"${name}": ${value}\n`).join('');
  const made = sign(null, Buffer.from(`${lines}"@signature-params": ${input}`), privateKey);
  const signature = `sig=:${made.toString('base64')}:`;
  return { ...fields, 'signature-input': `sig=${input}`, signature };
}

function send({ path, method = 'GET', body }: Wish, headers: Record<string, string>) {
  const init = { method, headers };
  return fetch(
    gateway.url + path,
    body === undefined ? init : { ...init, body: new Uint8Array(body) },
  );
}

describe('a signed request', () => {
  it('reaches its target with its query and its body', async () => {
    for (const wish of [
      { path: '/api/a' },
      { path: '/api/a%20b?x=1&y=%20' },
      { path: '/api/a', method: 'POST', body: Buffer.from('hello') },
      { path: '/api/a?x', method: 'PUT', body: randomBytes(BYTES_MAX) },
    ]) {
      const reply = await send(wish, signedFields(wish));
      expect([wish.path, reply.status]).toEqual([wish.path, 200]);
      expect(await reply.json()).toEqual({ bytes: wish.body?.length ?? 0, signer: 'acme' });
    }
  });

  it('is refused when anything of it is changed, and reaches nobody', async () => {
    const before = gateway.reached;
    const wish = { path: '/api/a?x=1', method: 'POST', body: Buffer.from('hello') };
    const fields = signedFields(wish);
    for (const change of [
      { path: '/api/b?x=1' },
      { path: '/api/a?x=2' },
      { method: 'PUT' },
      { body: Buffer.from('hullo') },
    ]) {
      expect((await send({ ...wish, ...change }, fields)).status).toBe(401);
    }
    const { signature: _, ...unsigned } = fields;
    expect((await send(wish, unsigned)).status).toBe(401);
    const late = await send(wish, signedFields({ ...wish, age: 400 }));
    expect(late.status).toBe(401);
    expect(await late.text()).toContain('it is too old, or of a time to come');
    const none = await send({ path: '/api/a' }, {});
    expect(none.headers.get('www-authenticate')).toBe('Signature realm="sluice"');
    expect(gateway.reached).toBe(before);
  });

  it('with a longer body than may be kept is refused', async () => {
    const wish = { path: '/api/a', method: 'POST', body: randomBytes(BYTES_MAX + 1) };
    expect((await send(wish, signedFields(wish))).status).toBe(413);
  });

  it('that brings a body without a digest in pieces is refused once the body is there', async () => {
    const fields = signedFields({ path: '/api/a', method: 'POST' });
    const socket = connect(gateway.port, '127.0.0.1');
    const replied = new Promise<string>((resolve) => {
      socket.once('data', (bytes) => resolve(bytes.toString('latin1')));
    });
    const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
    const host = new URL(gateway.url).host;
    socket.write(`POST /api/a HTTP/1.1\r\nhost: ${host}\r\n${lines.join('')}`);
    socket.write('transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n');
    socket.write('0\r\n\r\n');
    const reply = await replied;
    expect(reply).toMatch(/^HTTP\/1.1 401 /);
    expect(reply).toContain('it does not cover content-digest');
    socket.destroy();
  });
});
