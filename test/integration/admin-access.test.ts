/**
 * Who may use the admin listener.
 */
import { request } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AdminAccess } from '../../src/admin/admin-access.js';
import type { AdminHandler } from '../../src/admin/admin-handler.js';
import { ADMIN_BODY_BYTES_MAX, AdminListener } from '../../src/admin/admin-listener.js';

const TOKEN = 'correct-horse-battery';
const OPEN = {
  ...{ host: '127.0.0.1', port: 0, token: TOKEN },
  ...{ allowedHosts: ['ops.example'], replayBytes: 0 },
};

const errors: unknown[] = [];
const calls: string[] = [];
const handlers: AdminHandler[] = [
  page('GET', '/seen', false, () => ({ status: 200, body: { seen: true } })),
  page('POST', '/seen', false, ({ body, query }) => ({
    status: 201,
    body: `${body.length} ${query.get('a')}`,
    contentType: 'text/plain',
    fields: [['X-Extra', 'yes']],
  })),
  page('POST', '/change', true, async () => ({ status: 202, body: {} })),
  page('GET', '/throws', false, () => {
    throw new Error('inner workings');
  }),
  page('GET', '/rejects', false, () => Promise.reject(new Error('late'))),
];

function page(
  method: AdminHandler['method'],
  path: string,
  needsToken: boolean,
  answer: AdminHandler['answer'],
): AdminHandler {
  const noted: AdminHandler['answer'] = (asked) => {
    calls.push(`${method} ${path}`);
    return answer(asked);
  };
  return { method, path, needsToken, answer: noted };
}

const access = new AdminAccess(OPEN);
const listener = new AdminListener(handlers, access, (error) => errors.push(error));
let port = 0;

beforeAll(async () => {
  port = await listener.listen(OPEN);
});
afterAll(() => listener.close());

interface Answer {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly text: string;
}

function ask(
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body: Buffer | string = '',
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: '127.0.0.1', method, path, headers }, (reply) => {
      let text = '';
      reply.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      reply.on('end', () =>
        resolve({ status: reply.statusCode ?? 0, headers: reply.headers, text }),
      );
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

describe('the Host field', () => {
  it.each([
    '127.0.0.1',
    '127.0.0.1:9901',
    '10.1.2.3:80',
    '[::1]:9901',
    'localhost:9901',
    'LocalHost',
    'ops.example',
    'OPS.example:443',
  ])('%s is ours', async (host) => {
    expect((await ask('GET', '/seen', { host })).status).toBe(200);
  });

  it.each([
    'evil.example',
    'evil.example:9901',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '127.0.0.1@evil.example',
    'ops.example.evil',
    '::1',
    '[::1',
    'localhost:evil',
    'evil.example:127.0.0.1',
  ])('%s is refused, whatever is asked for', async (host) => {
    calls.length = 0;
    for (const [method, path] of [
      ['GET', '/seen'],
      ['POST', '/change'],
      ['GET', '/nowhere'],
    ] as const) {
      const answer = await ask(method, path, { host, authorization: `Bearer ${TOKEN}` });
      expect(answer.status).toBe(403);
      expect(answer.headers['content-type']).toBe('application/problem+json');
      expect(answer.text).toContain('admin.allowedHosts');
    }
    expect(calls).toEqual([]);
  });
});

describe('a page that a browser has open', () => {
  it.each(['https://evil.example', 'http://127.0.0.1:8080', 'null', 'http://127.0.0.1:9901.evil'])(
    'of %s makes it do nothing, token or not',
    async (origin) => {
      calls.length = 0;
      const headers = { host: '127.0.0.1:9901', origin, 'content-type': 'text/plain' };
      for (const authorization of ['', `Bearer ${TOKEN}`]) {
        const answer = await ask('POST', '/change', { ...headers, authorization });
        expect([answer.status, answer.text]).toEqual([403, expect.stringContaining('origin')]);
      }
      expect(calls).toEqual([]);
    },
  );

  it.each(['http://127.0.0.1:9901', 'https://127.0.0.1:9901'])(
    'of %s is its own',
    async (origin) => {
      const headers = { host: '127.0.0.1:9901', origin, authorization: `Bearer ${TOKEN}` };
      expect((await ask('POST', '/change', headers)).status).toBe(202);
    },
  );
});

describe('the token', () => {
  it('is needed where something changes, and nowhere else', async () => {
    calls.length = 0;
    for (const authorization of [
      '',
      'Bearer',
      'Bearer ',
      `Basic ${TOKEN}`,
      TOKEN,
      `Bearer ${TOKEN}x`,
      `Bearer ${TOKEN.slice(1)}`,
      `Bearer ${TOKEN} ${TOKEN}`,
    ]) {
      const answer = await ask('POST', '/change', { authorization });
      expect(answer.status, authorization).toBe(401);
      expect(answer.headers['www-authenticate']).toMatch(/^Bearer /);
      expect(answer.text).not.toContain(TOKEN);
    }
    expect(calls).toEqual([]);
    const right = await ask('POST', '/change', { authorization: `bearer ${TOKEN}` });
    expect(right.status).toBe(202);
    expect((await ask('POST', '/seen')).status).toBe(201);
  });

  it('that the configuration does not have opens nothing', async () => {
    access.adopt({ ...OPEN, token: '' });
    for (const authorization of ['', 'Bearer ', 'Bearer undefined', `Bearer ${TOKEN}`]) {
      const answer = await ask('POST', '/change', { authorization });
      expect(answer.status).toBe(403);
      expect(answer.text).toContain('admin.token');
    }
    access.adopt(OPEN);
  });

  it('does not open a listener to other origins', async () => {
    const answer = await ask('OPTIONS', '/change', {
      origin: 'http://evil.example',
      'access-control-request-method': 'POST',
    });
    expect(answer.status).toBe(403);
    const names = Object.keys(answer.headers);
    expect(names.filter((name) => name.startsWith('access-control'))).toEqual([]);
  });
});

describe('a handler', () => {
  it('gets query and body, and says what is sent', async () => {
    const answer = await ask('POST', '/seen?a=1%202', {}, 'abc');
    expect(answer).toMatchObject({ status: 201, text: '3 1 2' });
    expect(answer.headers).toMatchObject({
      'content-type': 'text/plain',
      'x-extra': 'yes',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
  });

  it('is chosen by path and method', async () => {
    const wrong = await ask('DELETE', '/seen');
    expect(wrong.status).toBe(405);
    expect(wrong.headers['allow']).toBe('GET, HEAD, POST');
    const head = await ask('HEAD', '/seen');
    expect(head).toMatchObject({ status: 200, text: '' });
    const missing = await ask('GET', '/nowhere');
    expect(missing.status).toBe(404);
    expect(JSON.parse(missing.text).paths).toContain('/change');
  });

  it('gets no body above 64 KiB', async () => {
    const most = await ask('POST', '/seen', {}, Buffer.alloc(ADMIN_BODY_BYTES_MAX));
    expect(most.text).toMatch(/^65536 /);
    const more = await ask('POST', '/seen', {}, Buffer.alloc(ADMIN_BODY_BYTES_MAX + 1));
    expect(more.status).toBe(413);
  });

  it('that fails costs one reply', async () => {
    errors.length = 0;
    for (const path of ['/throws', '/rejects']) {
      const answer = await ask('GET', path);
      expect(answer.status).toBe(500);
      expect(answer.text).not.toMatch(/inner|late/);
    }
    expect(errors.map(String)).toEqual(['Error: inner workings', 'Error: late']);
  });
});

/** What a socket answers to these bytes, until it closes. */
function send(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text, 'latin1'));
    let answer = '';
    socket.setEncoding('latin1').on('data', (piece: string) => {
      answer += piece;
    });
    socket.on('error', reject).on('close', () => resolve(answer));
  });
}

describe('a request that could be read in two ways', () => {
  const CLOSE = 'Connection: close\r\n';
  it.each([
    ['without Host', `GET /seen HTTP/1.1\r\n${CLOSE}\r\n`, 400],
    ['with two', `GET /seen HTTP/1.1\r\nHost: localhost\r\nhost: evil.test\r\n${CLOSE}\r\n`, 400],
    [
      'with two lengths',
      'POST /seen HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
      400,
    ],
    [
      'with a length and chunks',
      'POST /seen HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      400,
    ],
    [
      'with a folded field',
      `GET /seen HTTP/1.1\r\nHost: localhost\r\nA: b\r\n c\r\n${CLOSE}\r\n`,
      400,
    ],
    [
      'with many fields',
      `GET /seen HTTP/1.1\r\nHost: localhost\r\n${'A: b\r\n'.repeat(1990)}${CLOSE}\r\n`,
      431,
    ],
    [
      'with a large field',
      `GET /seen HTTP/1.1\r\nHost: localhost\r\nA: ${'b'.repeat(20_000)}\r\n\r\n`,
      431,
    ],
    [
      'to another host',
      `GET http://evil.test/seen HTTP/1.1\r\nHost: localhost\r\n${CLOSE}\r\n`,
      404,
    ],
    ['for a tunnel', 'CONNECT a:1 HTTP/1.1\r\nHost: localhost\r\n\r\n', 0],
  ])('is refused: %s', async (_what, text, status) => {
    calls.length = 0;
    const answer = await send(text);
    expect(Number(answer.split(' ')[1] ?? 0)).toBe(status);
    expect(calls).toEqual([]);
  });
});

it('a second listener on the same port says why it cannot be', async () => {
  const second = new AdminListener([], access, (error) => errors.push(error));
  const wish = second.listen({ ...OPEN, port });
  await expect(wish).rejects.toThrow(`127.0.0.1:${port} for admin: the address is in use`);
});
