/**
 * What a client must not say: each row of bytes is refused, the connection closed behind it, and
 * the origin, which keeps every byte, has heard nothing of it.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { aConfig } from '../support/configs.js';
import { byEngine } from '../support/engine-under-test.js';
import { eventually } from '../support/eventually.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { type RawReply, rawExchange } from '../support/raw-exchange.js';
import { RawOrigin } from '../support/raw-origin.js';

const HEADER_BYTES = 8192;
const BODY_BYTES = 100_000;
const GET = 'GET /bad HTTP/1.1\r\nHost: a\r\n';
const POST = 'POST /bad HTTP/1.1\r\nHost: a\r\n';
const CHUNKS = '5\r\nhello\r\n0\r\n\r\n';

let origin: RawOrigin;
let gateway: GatewayProcess;

beforeAll(async () => {
  origin = await RawOrigin.start();
  // One worker: what was sent before the sentinel has arrived before it.
  gateway = await GatewayProcess.start(
    aConfig([origin.url], {
      top: { workers: 1, limits: { headerBytes: HEADER_BYTES, bodyBytes: BODY_BYTES } },
    }),
  );
});

afterAll(async () => {
  await gateway.stop();
  await origin.close();
});

beforeEach(() => origin.forget());

/** What the origin has heard, once everything sent so far must have come through. */
async function arrivedTargets(): Promise<string[]> {
  // A body that streams goes over connections of its own: the sentinel must not overtake it.
  await eventually('nothing is in flight', async () => (await gateway.stats())['in_flight'] === 0);
  const reply = await fetch(`${gateway.url}/sentinel`);
  expect(reply.status).toBe(200);
  expect(gateway.exitCode).toBeNull();
  const partial = origin.connections.map(({ rest }) => rest).filter((rest) => rest !== '');
  const targets = origin.requests.map(({ target }) => target);
  const sentinelAt = targets.lastIndexOf('/sentinel');
  expect(sentinelAt).not.toBe(-1);
  targets.splice(sentinelAt, 1);
  return [...targets, ...partial];
}

async function expectRefused(bytes: string, status: number): Promise<RawReply> {
  origin.forget();
  const reply = await rawExchange(gateway.port, [bytes], { waitMsMax: 8000 });
  expect(reply.status).toBe(status);
  expect(reply.isClosed).toBe(true);
  expect(reply.text.match(/HTTP\/1\.1 \d{3}/g)).toHaveLength(1);
  expect(await arrivedTargets()).toEqual([]);
  return reply;
}

describe('a method is refused', () => {
  it.each([
    ['CONNECT', 501],
    ['G(T', 400],
    ['G\xc9T', byEngine({ wire: 400, uws: 505 })],
    ['', 400],
  ])('when it is %j', async (method, status) => {
    await expectRefused(`${method} /bad HTTP/1.1\r\nHost: a\r\n\r\n`, status);
  });
});

/** What no target may have raw, and clients send nevertheless. */
const RAW = ['<', '>', '"', '{', '}', '|', '^', '`', '\x80', '\xc3\xa9'];

describe('a target is refused', () => {
  const inPath = ['\x7f', '#', '#?'];
  it.each(byEngine({ wire: inPath, uws: [...inPath, ...RAW, '\\'] }))(
    'with the character %j in the path',
    async (char) => {
      await expectRefused(`GET /bad${char} HTTP/1.1\r\nHost: a\r\n\r\n`, 400);
    },
  );

  const inQuery = ['\x7f', '#'];
  it.each(byEngine({ wire: inQuery, uws: [...inQuery, '<', '"', '\\', '\xff'] }))(
    'with %j in the query',
    async (char) => {
      await expectRefused(`GET /bad?q=${char} HTTP/1.1\r\nHost: a\r\n\r\n`, 400);
    },
  );

  it.each(byEngine({ wire: RAW, uws: [] }))(
    'not for %j: that is sent on percent-encoded',
    async (char) => {
      const encoded = [...Buffer.from(char, 'latin1')]
        .map((byte) => `%${byte.toString(16).toUpperCase()}`)
        .join('');
      const bytes = `GET /b${char}?q=${char} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
      const reply = await rawExchange(gateway.port, [bytes], { waitMsMax: 8000 });
      expect(reply.status).toBe(200);
      expect(await arrivedTargets()).toEqual([`/b${encoded}?q=${encoded}`]);
    },
  );

  it.each([
    '%2f..',
    '/..%5C',
    '//../x',
    '%00',
    '%0d%0a',
    '%7f',
    '%',
    '%zz',
    '/..;/x',
    '/%2e%2e;/x',
  ])('with %s, which targets read in different ways', async (end) => {
    const reply = await rawExchange(
      gateway.port,
      [`GET /bad${end} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`],
      { waitMsMax: 8000 },
    );
    expect(reply.status).toBe(400);
    expect(await arrivedTargets()).toEqual([]);
  });

  const inOtherForms: readonly [string, string][] = [
    ['OPTIONS', '*'],
    ['GET', 'http://a/bad'],
  ];
  it.each<[string, string]>([
    ...byEngine({ wire: [], uws: inOtherForms }),
    ['GET', 'bad'],
    ['GET', '?bad'],
    ['CONNECT', 'a:443'],
    ['GET', '/b\x01ad'],
    ['GET', '/b\tad'],
    ['GET', '/b ad'],
  ])('in the form %s %j', async (method, target) => {
    const status = byEngine({ wire: method === 'CONNECT' ? 501 : 400, uws: 505 });
    await expectRefused(`${method} ${target} HTTP/1.1\r\nHost: a\r\n\r\n`, status);
  });

  it('that is longer than a head may be', async () => {
    const target = `/${'b'.repeat(HEADER_BYTES)}`;
    await expectRefused(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`, 414);
  });
});

describe('a version is refused', () => {
  const taken: readonly [string, number][] = [
    ['GET /bad HTTP/1.0\r\nHost: a\r\n\r\n', 505],
    ['\r\nGET /bad HTTP/1.1\r\nHost: a\r\n\r\n', 505],
  ];
  it.each<[string, number]>([
    ...byEngine({ wire: [], uws: taken }),
    ['GET /bad HTTP/1.2\r\nHost: a\r\n\r\n', 505],
    ['GET /bad HTTP/2.0\r\nHost: a\r\n\r\n', 505],
    ['GET /bad HTTP/0.9\r\nHost: a\r\n\r\n', 505],
    ['GET /bad\r\n\r\n', byEngine({ wire: 400, uws: 505 })],
    ['GET /bad HTTQ/1.1\r\nHost: a\r\n\r\n', byEngine({ wire: 400, uws: 505 })],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505],
    [
      '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello\r\n\r\n',
      byEngine({ wire: 400, uws: 505 }),
    ],
  ])('as in %j', async (bytes, status) => {
    await expectRefused(bytes, status);
  });
});

describe('Host is refused', () => {
  it.each(['', 'a b', 'a/b', 'c@d', 'a b/c@d', 'a,b', 'a:b', 'a:65536', '[::1', '[x]', 'a\xe9b'])(
    'when it is %j',
    async (host) => {
      await expectRefused(`GET /bad HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 400);
    },
  );

  it.each(['X: 1\r\n', 'Host: a\r\nHost: a\r\n', 'Host: a\r\nHost: b\r\n'])(
    'when it is not there once: %j',
    async (fields) => {
      await expectRefused(`GET /bad HTTP/1.1\r\n${fields}\r\n`, 400);
    },
  );
});

describe('framing is refused', () => {
  it.each<[fields: string, status: number]>([
    ['Transfer-Encoding: xchunked\r\n', 400],
    ['Transfer-Encoding: chunked, chunked\r\n', 400],
    ['Transfer-Encoding: gzip, chunked\r\n', 400],
    ['Transfer-Encoding: chunked, gzip\r\n', 400],
    ['Transfer-Encoding: chunked;q=1\r\n', 400],
    ['Transfer-Encoding: "chunked"\r\n', 400],
    ['Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', 501],
    ['Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n', 501],
    ['Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', 400],
    ['Transfer-Encoding: identity\r\n', 501],
    ['Transfer-Encoding: gzip\r\n', 501],
    ['Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', 400],
    ['Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', 400],
    ['Content-Length: 5\r\nTransfer-Encoding: identity\r\n', byEngine({ wire: 501, uws: 400 })],
    ['Content-Length: 15\r\nTransfer-Encoding:\r\n', 400],
    ['Transfer-Encoding:\r\nContent-Length: 15\r\n', 400],
    ['Transfer-Encoding: chunked\r\nContent-Length:\r\n', 400],
    ['Content-Length:\r\nTransfer-Encoding: chunked\r\n', 400],
    ['Content-Length: 15\r\nContent-Length: 15\r\n', 400],
    ['Content-Length: 15\r\nContent-Length: 14\r\n', 400],
    ['Content-Length: 14\r\nContent-Length: 15\r\n', 400],
  ])('with %j', async (fields, status) => {
    await expectRefused(`${POST}${fields}\r\n${CHUNKS}`, status);
  });

  it.each(['+5', '-5', '0x5', '5, 5', '5,5', '5.0', '5e0', '5 5', '1_0', '5\xb25', '5;', 'five'])(
    'with the length %j',
    async (length) => {
      await expectRefused(`${POST}Content-Length: ${length}\r\n\r\nhello`, 400);
    },
  );

  it.each(['0000000000000005', '1000000000000000000', '18446744073709551621'])(
    'with the length %s, which has too many digits',
    async (length) => {
      await expectRefused(`${POST}Content-Length: ${length}\r\n\r\nhello`, 400);
    },
  );

  it('with an empty length, whose body would be the next request', async () => {
    const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';
    const reply = await rawExchange(gateway.port, [`${POST}Content-Length:\r\n\r\n${smuggled}`]);
    expect(reply.isClosed).toBe(true);
    expect(await arrivedTargets()).toEqual([]);
  });

  it('not of a body with HEAD, which clients send as with GET', async () => {
    const head = 'HEAD /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\n';
    expect((await rawExchange(gateway.port, [`${head}hello`])).status).toBe(200);
    expect(await arrivedTargets()).toEqual(['/b']);
  });

  it('of a body with TRACE', async () => {
    const start = 'TRACE /bad HTTP/1.1\r\nHost: a\r\n';
    await expectRefused(`${start}Content-Length: 5\r\n\r\nhello`, 400);
    await expectRefused(`${start}Transfer-Encoding: chunked\r\n\r\n${CHUNKS}`, 400);
  });
});

describe('size is refused', () => {
  it.each([91, 97])('of %i fields', async (count) => {
    const fields = Array.from({ length: count - 1 }, (_, at) => `X-${at}: 1\r\n`).join('');
    await expectRefused(`${GET}${fields}\r\n`, 431);
  });

  it('of a head that is over the limit, in one piece', async () => {
    await expectRefused(`${GET}X: ${'x'.repeat(HEADER_BYTES)}\r\n\r\n`, 431);
  });

  it('of a head that is over the limit in bytes, though not in characters', async () => {
    const characters = '\xe2\x82\xac'.repeat(HEADER_BYTES / 2);
    await expectRefused(`${GET}X: x${characters}x\r\n\r\n`, 431);
  });

  it('of a head that never ends', async () => {
    const pieces = Array.from({ length: 80 }, () => `X: ${'x'.repeat(1000)}\r\n`);
    const reply = await rawExchange(gateway.port, [GET, ...pieces], { pauseMs: 5 });
    expect(reply.isClosed).toBe(true);
    expect(reply.status).toBe(431);
    expect(await arrivedTargets()).toEqual([]);
  });

  it('of a body that announces too much', async () => {
    await expectRefused(`${POST}Content-Length: ${BODY_BYTES + 1}\r\n\r\nhello`, 413);
  });

  it('of a body that turns out to be too much: the origin never sees its end', async () => {
    const size = 50_000;
    const chunk = `${size.toString(16)}\r\n${'x'.repeat(size)}\r\n`;
    const bytes = `${POST}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(3)}0\r\n\r\n`;
    const reply = await rawExchange(gateway.port, [bytes], { waitMsMax: 8000 });
    expect(reply.status).toBe(413);
    expect(reply.isClosed).toBe(true);
    const targets = await arrivedTargets();
    expect(targets.filter((target) => target === '/bad')).toEqual([]);
  });
});

describe('fields are refused', () => {
  it.each(byEngine({ wire: [], uws: [400] }))('when a value not in ASCII comes twice', async () => {
    await expectRefused(`${GET}X-A: c\xe9d\r\nX-A: c\xe8d\r\n\r\n`, 400);
    await expectRefused(`${GET}X-A: plain\r\nX-A: c\xe8d\r\n\r\n`, 400);
  });

  it('but not when a value only looks like a name', async () => {
    const bytes = `${GET}X-B: x-a\r\nX-A: c\xe9d\r\nConnection: close\r\n\r\n`;
    const reply = await rawExchange(gateway.port, [bytes], { waitMsMax: 8000 });
    expect(reply.status).toBe(200);
    const fields = origin.requests[0]?.fields ?? [];
    expect(fields).toContainEqual(['x-a', 'c\xe9d']);
    expect(fields).toContainEqual(['x-b', 'x-a']);
  });

  it('does not let a character become a line break on its way', async () => {
    // U+010A and U+010D in UTF-8: their low bytes are LF and CR.
    const bytes = `${GET}X-A: a\xc4\x8aX-Evil: 1\xc4\x8d.\r\nConnection: close\r\n\r\n`;
    const reply = await rawExchange(gateway.port, [bytes], { waitMsMax: 8000 });
    expect(reply.status).toBe(200);
    expect(origin.requests[0]?.fields).toContainEqual(['x-a', 'a\xc4\x8aX-Evil: 1\xc4\x8d.']);
  });
});

/** What the native parser does not take, and the other one does. */
const TAKEN = [
  `${GET}X_Foo: 1\r\n\r\n`,
  `${GET}X.Foo: 1\r\n\r\n`,
  '\r\n\r\nGET /bad HTTP/1.1\r\nHost: a\r\n\r\n',
];

/** The native parser says nothing about these until its time is over, or closes by itself. */
const UNANSWERED = [
  ...byEngine({ wire: [], uws: TAKEN }),
  `${GET}X Foo: 1\r\n\r\n`,
  `${GET}X-Foo : 1\r\n\r\n`,
  `${GET}X-Foo\r\n\r\n`,
  `${GET}X: 1\r\n folded\r\n\r\n`,
  `${GET}X: 1\r\n\tfolded\r\n\r\n`,
  `${GET}X: a\0b\r\n\r\n`,
  `${GET}X: a\x01b\r\n\r\n`,
  `${GET}X: a\rb\r\n\r\n`,
  `${GET}X: a\nY: b\r\n\r\n`,
  `${GET}X\xe9: 1\r\n\r\n`,
  `${GET} Content-Length: 5\r\n\r\nhello`,
  'GET /bad HTTP/1.1\nHost: a\n\n',
  'GET /bad HTTP/1.1\rHost: a\r\r',
  'GET /bad HTTP/1.1\r\n\r\n',
  `${GET}${Array.from({ length: 120 }, (_, at) => `X-${at}: 1\r\n`).join('')}\r\n`,
  `${POST}Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\nhello`,
  `${POST}Transfer-Encoding\0: chunked\r\nContent-Length: 5\r\n\r\nhello`,
  `${POST}Content-Length: 5\nTransfer-Encoding: chunked\r\n\r\n${CHUNKS}`,
  'GET /bad HTTP/1.1\r\nHost: a\r\n',
  `${POST}Content-Length: \xb2\r\n\r\nhello`,
  'G',
  '\0',
];

it('what the native parser does not answer does not reach the origin', async () => {
  const replies = await Promise.all(
    UNANSWERED.map((bytes) => rawExchange(gateway.port, [bytes], { waitMsMax: 500 })),
  );
  for (const [at, { status }] of replies.entries()) {
    expect([UNANSWERED[at], status >= 200 && status < 400]).toEqual([UNANSWERED[at], false]);
  }
  expect(await arrivedTargets()).toEqual([]);
});

it.each(byEngine({ wire: [], uws: ['refused'] }))(
  'a request line in two pieces is %s',
  async () => {
    const reply = await rawExchange(gateway.port, ['GET /ba', 'd HTTP/1.1\r\nHost: a\r\n\r\n'], {
      pauseMs: 100,
    });
    expect(reply.isClosed).toBe(true);
    expect(await arrivedTargets()).toEqual([]);
  },
);

const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';

describe('what stands behind a chunked body is never a request', () => {
  /** Behind the first there is one indeed, and the other ends as it should. */
  const legal: readonly [string, string][] = [
    ['a request at once', `5\r\nhello\r\n0\r\n\r\n${SMUGGLED}`],
    ['a trailer that looks like one', `5\r\nhello\r\n0\r\na:${SMUGGLED}`],
  ];
  it.each<[string, string]>([
    ...byEngine({ wire: [], uws: legal }),
    ['two bytes and a request', `5\r\nhello\r\n0\r\nXX${SMUGGLED}`],
    ['two bytes in the place of a line end', `5\r\nhelloXX0\r\n\r\n${SMUGGLED}`],
    ['an empty size', `5\r\nhello\r\n\r\n\r\n${SMUGGLED}`],
    ['a digit that is none', `g\r\nhello0123456789a\r\n0\r\n\r\n${SMUGGLED}`],
  ])('%s', async (_name, body) => {
    const head = 'POST /first HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
    const cut = body.length - SMUGGLED.length;
    const ways = [
      [`${head}${body}`],
      [head, body],
      [head, body.slice(0, cut), body.slice(cut)],
      [head + body.slice(0, cut), body.slice(cut)],
    ];
    for (const pieces of ways) {
      origin.forget();
      const reply = await rawExchange(gateway.port, pieces, { pauseMs: 30, waitMsMax: 8000 });
      expect(reply.isClosed).toBe(true);
      const arrived = (await arrivedTargets()).join('\n');
      expect(arrived).not.toContain('/smuggled');
    }
  });
});

it('a length behind an empty field name does not make its body a request', async () => {
  const head = `${POST}: x\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n`;
  for (const pieces of [[head + SMUGGLED], [head, SMUGGLED]]) {
    origin.forget();
    const reply = await rawExchange(gateway.port, pieces, { pauseMs: 200, waitMsMax: 8000 });
    expect(reply.isClosed).toBe(true);
    expect((await arrivedTargets()).join('\n')).not.toContain('/smuggled');
  }
});

it('Expect and the fields of one connection stay here', async () => {
  const reply = await rawExchange(
    gateway.port,
    [`${POST}Expect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n`, 'hello'],
    { pauseMs: 50, waitMsMax: 8000 },
  );
  expect(reply.text).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/);
  const [request] = origin.requests;
  expect(request?.body).toBe('hello');
  expect(request?.framing).toEqual(['content-length: 5']);
  expect(request?.fields.map(([name]) => name)).not.toContain('expect');
});

it('of a pair in one packet nothing goes on twice, and the gateway lives', async () => {
  const last = `${GET.replace('bad', 'two')}Connection: close\r\n\r\n`;
  const pair = `${GET.replace('bad', 'one')}\r\n${last}`;
  const reply = await rawExchange(gateway.port, [pair], { waitMsMax: 8000 });
  expect(reply.isClosed).toBe(true);
  const targets = await arrivedTargets();
  expect(new Set(targets).size).toBe(targets.length);
});

it('requests with a bad field do not use anything up', async () => {
  const send = () => rawExchange(gateway.port, [`${GET}Host: b\r\n\r\n`], { waitMsMax: 8000 });
  for (let round = 0; round < 10; round++) {
    const replies = await Promise.all(Array.from({ length: 50 }, send));
    expect(replies.every(({ status, isClosed }) => status === 400 && isClosed)).toBe(true);
  }
  expect(await arrivedTargets()).toEqual([]);
  await eventually('nothing is in flight', async () => (await gateway.stats())['in_flight'] === 0);
});
