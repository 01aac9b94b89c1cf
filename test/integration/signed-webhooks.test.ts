/** Webhooks whose bodies are signed, over a gateway that runs. */
import { createHmac, randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GuardedGateway } from '../support/guarded-gateway.js';

const SECRET = 'a secret that both of them know';
const FIELD = 'x-hub-signature-256';
const BYTES_MAX = 256 * 1024;

let gateway: GuardedGateway;

beforeAll(async () => {
  gateway = await GuardedGateway.start({
    workers: 1,
    authenticators: {
      github: {
        type: 'hmac',
        format: 'github',
        secrets: [SECRET],
        bodyBytes: BYTES_MAX,
        claimHeaders: { 'x-sender': 'sub' },
      },
      keys: {
        type: 'apiKey',
        keys: [
          {
            id: 'acme',
            sha256: '2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b',
          },
        ],
        claimHeaders: { 'x-sender': 'sub' },
      },
    },
    routes: { '/hooks/*': ['github', 'keys'] },
    answer: ({ headers }, body) => ({ sum: signatureOf(body), sender: headers['x-sender'] ?? '' }),
  });
});

afterAll(() => gateway?.stop());

function signatureOf(body: Uint8Array): string {
  return createHmac('sha256', SECRET).update(body).digest('hex');
}

function send(body: Uint8Array, fields: Record<string, string>): Promise<Response> {
  return fetch(`${gateway.url}/hooks/a`, {
    method: 'POST',
    headers: fields,
    body: new Uint8Array(body),
  });
}

describe('a webhook', () => {
  for (const bytes of [0, 1, 65_536, 65_537, BYTES_MAX]) {
    it(`of ${bytes} bytes reaches its target as it came`, async () => {
      const body = randomBytes(bytes);
      const sum = signatureOf(body);
      const reply = await send(body, { [FIELD]: `sha256=${sum}` });
      expect(reply.status).toBe(200);
      expect(await reply.json()).toEqual({ sum, sender: 'github' });
    });
  }

  it('that comes in pieces of unknown number does so too', async () => {
    const body = randomBytes(100_000);
    const sum = signatureOf(body);
    const stream = new ReadableStream({
      start(controller) {
        for (let at = 0; at < body.length; at += 9000) {
          controller.enqueue(body.subarray(at, at + 9000));
        }
        controller.close();
      },
    });
    const reply = await fetch(`${gateway.url}/hooks/a`, {
      ...{ method: 'POST', headers: { [FIELD]: `sha256=${sum}` }, body: stream, duplex: 'half' },
    } as RequestInit);
    expect(await reply.json()).toEqual({ sum, sender: 'github' });
  });

  it('is refused with another body, and reaches nobody', async () => {
    const before = gateway.reached;
    const reply = await send(Buffer.from('changed'), {
      [FIELD]: `sha256=${signatureOf(Buffer.from('signed'))}`,
    });
    expect(reply.status).toBe(401);
    expect(await reply.text()).toContain('the signature is not that of the body');
    expect(gateway.reached).toBe(before);
  });

  it('is refused when it is longer than the gateway will keep, at once and on its way', async () => {
    const body = randomBytes(BYTES_MAX + 1);
    const known = await send(body, { [FIELD]: `sha256=${signatureOf(body)}` });
    expect(known.status).toBe(413);
    const socket = connect(gateway.port, '127.0.0.1');
    const replied = new Promise<string>((resolve) => {
      socket.once('data', (bytes) => resolve(bytes.toString('latin1')));
    });
    socket.on('error', () => {});
    socket.write(`POST /hooks/a HTTP/1.1\r\nhost: a\r\n${FIELD}: sha256=00\r\n`);
    socket.write('transfer-encoding: chunked\r\n\r\n');
    const piece = Buffer.alloc(64 * 1024, 'x');
    for (let sent = 0; sent <= BYTES_MAX; sent += piece.length) {
      socket.write(`${piece.length.toString(16)}\r\n`);
      socket.write(piece);
      socket.write('\r\n');
    }
    expect(await replied).toMatch(/^HTTP\/1.1 413 /);
    socket.destroy();
  });

  it('waits for nothing where the caller is known otherwise', async () => {
    const socket = connect(gateway.port, '127.0.0.1');
    const replied = new Promise<string>((resolve) => {
      socket.once('data', (bytes) => resolve(bytes.toString('latin1')));
    });
    // Without a signature nobody waits for the body: the refusal comes before it.
    socket.write('POST /hooks/a HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n');
    expect(await replied).toMatch(/^HTTP\/1.1 401 /);
    socket.destroy();
    const reply = await send(Buffer.from('x'), { apikey: 'secret' });
    expect(await reply.json()).toMatchObject({ sender: 'acme' });
  });
});
