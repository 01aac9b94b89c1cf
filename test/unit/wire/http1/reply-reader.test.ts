/**
 * What is read out of the bytes of a connection: by example, by fuzzing, and against llhttp.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildReplyFields } from '../../../../bench/alternatives/undici-transport.js';
import { INTERIM_REPLIES_MAX } from '../../../../src/wire/http1/reply-reader.js';
import {
  CHUNKED_FIELD as CHUNKED,
  HOSTILE_REPLIES,
  LENGTH_FIELD as LENGTH,
  STATUS_LINE as OK,
} from '../../../support/hostile-replies.js';
import { LlhttpReference } from '../../../support/llhttp-reference.js';
import { cutAt, oneByOne, type ReplyOutcome, readReply } from '../../../support/reply-outcome.js';
import { describeWithData, readShared } from '../../../support/shared-data.js';

const reference = new LlhttpReference();

function read(text: string, isHead = false): ReplyOutcome {
  const bytes = Buffer.from(text, 'latin1');
  const whole = readReply([bytes], { isHead });
  for (const pieces of [oneByOne(bytes), cutAt(bytes, [bytes.length - 1])]) {
    expect(comparable(readReply(pieces, { isHead }))).toEqual(comparable(whole));
  }
  return whole;
}

/** A broken head may be found out early or late: why it is broken is not part of the verdict. */
function comparable({ problem: _problem, ...rest }: ReplyOutcome) {
  return { ...rest, body: rest.body.toString('latin1') };
}

/** Never more lenient: what we read to its end, llhttp reads too, and reads the same. */
function checkAgainstReference(bytes: Buffer, isHead = false): ReplyOutcome {
  const ours = readReply([bytes], { isHead });
  const theirs = reference.read(bytes, isHead);
  if (ours.verdict !== 'complete') return ours;
  const text = JSON.stringify(bytes.toString('latin1'));
  expect(theirs.isRejected, `llhttp says "${theirs.reason}" of ${text}`).toBe(false);
  expect(theirs.isComplete, `llhttp does not see the end of ${text}`).toBe(true);
  expect(theirs.status).toBe(ours.status);
  expect(theirs.body.toString('latin1')).toBe(ours.body.toString('latin1'));
  return ours;
}

describe('a reply that is read', () => {
  it('ends by its length, and leaves the connection for the next one', () => {
    const { verdict, isReusable, status, fields, body } = read(
      `${OK}Content-Type: text/plain\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello`,
    );
    expect({ verdict, isReusable, status }).toEqual({
      ...{ verdict: 'complete', isReusable: true, status: 200 },
    });
    expect(fields).toBe('\r\nContent-Type: text/plain\r\nX-A: b');
    expect(body.toString()).toBe('hello');
  });

  it.each([
    [
      'a chunked body',
      `${OK}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`,
      true,
    ],
    ['chunked in capitals', `${OK}TRANSFER-ENCODING: Chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n`, true],
    [
      'extensions',
      `${OK}Transfer-Encoding: chunked\r\n\r\n5;a=b;c="d\\"e"\r\nabcde\r\n0;f\r\n\r\n`,
      true,
    ],
    [
      'trailers',
      `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\nX-T: 1\r\nA:\r\n\r\n`,
      true,
    ],
    ['blanks around the length', `${OK}Content-Length:\t 5  \r\n\r\nabcde`, true],
    ['no end but that of the connection', `${OK}\r\nabcde`, false],
    ['Connection: close', `${OK}Connection: close\r\nContent-Length: 5\r\n\r\nabcde`, false],
    ['close among others', `${OK}Connection: x, Close\r\nContent-Length: 5\r\n\r\nabcde`, false],
    ['Proxy-Connection', `${OK}Proxy-Connection: close\r\nContent-Length: 5\r\n\r\nabcde`, false],
    ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nabcde', false],
    ['HTTP/1.0 without length', 'HTTP/1.0 200 OK\r\n\r\nabcde', false],
    [
      'HTTP/1.0 with keep-alive',
      'HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 5\r\n\r\nabcde',
      true,
    ],
    ['no reason phrase', 'HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nabcde', true],
    ['an empty reason phrase', 'HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nabcde', true],
    [
      'interim replies',
      `HTTP/1.1 103 A\r\nX: y\r\n\r\nHTTP/1.1 102 B\r\n\r\n${OK}Content-Length: 5\r\n\r\nabcde`,
      true,
    ],
    [
      '100 that nobody asked for',
      `HTTP/1.1 100 Continue\r\n\r\n${OK}Content-Length: 5\r\n\r\nabcde`,
      true,
    ],
    ['bytes behind it', `${OK}Content-Length: 5\r\n\r\nabcde!`, false],
    ['a second reply behind it', `${OK}Content-Length: 5\r\n\r\nabcde${OK}\r\n`, false],
    [
      'bytes behind the last chunk',
      `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n\r\n`,
      false,
    ],
  ])('may have %s', (_name, text, isReusable) => {
    const outcome = read(text);
    expect(outcome.verdict).toBe('complete');
    expect(outcome.status).toBe(200);
    expect(outcome.body.toString()).toBe('abcde');
    expect(outcome.isReusable).toBe(isReusable);
    checkAgainstReference(Buffer.from(text, 'latin1'));
  });

  it.each([
    ['204', 'HTTP/1.1 204 No Content\r\n\r\n', false, true],
    ['304 with a length', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n', false, true],
    ['304 with a coding', 'HTTP/1.1 304 X\r\nTransfer-Encoding: chunked\r\n\r\n', false, true],
    ['204 with a length', 'HTTP/1.1 204 X\r\nContent-Length: 5\r\n\r\n', false, false],
    ['204 with a coding', 'HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n', false, false],
    ['HEAD with a length', `${OK}Content-Length: 10\r\n\r\n`, true, true],
    ['HEAD with a coding', `${OK}Transfer-Encoding: chunked\r\n\r\n`, true, true],
    ['HEAD with neither', `${OK}\r\n`, true, true],
    ['HEAD answered with a body', `${OK}Content-Length: 2\r\n\r\nok`, true, false],
    ['length 0', `${OK}Content-Length: 0\r\n\r\n`, false, true],
  ])('has no body: %s', (_name, text, isHead, isReusable) => {
    const outcome = read(text, isHead);
    expect(outcome.verdict).toBe('complete');
    expect(outcome.body.length).toBe(0);
    expect(outcome.isReusable).toBe(isReusable);
    checkAgainstReference(Buffer.from(text, 'latin1'), isHead);
  });

  it.each([
    ['in the head', `${OK}Content-Le`],
    ['before the head', ''],
    ['behind an interim reply', 'HTTP/1.1 103 A\r\n\r\n'],
    ['in a body with a length', `${OK}Content-Length: 5\r\n\r\nabcd`],
    ['in a body with a length and close', `${OK}Connection: close\r\nContent-Length: 5\r\n\r\nab`],
    ['in a chunk', `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nabcd`],
    ['behind a chunk', `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n`],
    ['in the trailers', `${OK}Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n`],
    ['before the last line', `${OK}Transfer-Encoding: chunked\r\n\r\n0\r\n`],
  ])('is cut when the connection ends %s', (_name, text) => {
    expect(read(text).verdict).toBe('cut');
  });
});

describe('a reply that is refused', () => {
  it.each(HOSTILE_REPLIES)('has %s', (_name, text) => {
    expect(read(text).verdict).toBe('broken');
  });

  it('has a head of more than 16 KiB', () => {
    const headOf = (bytes: number): string => {
      const start = `${OK}Content-Length: 0\r\nA: `;
      return `${start}${'x'.repeat(bytes - start.length - 4)}\r\n\r\n`;
    };
    expect(read(headOf(16_384)).verdict).toBe('complete');
    expect(read(headOf(16_385)).verdict).toBe('broken');
    expect(readReply([Buffer.from(headOf(70_000))]).verdict).toBe('broken');
    expect(readReply([Buffer.from(headOf(20_000).slice(0, 16_384))]).verdict).toBe('broken');
  });

  it('has more than 256 fields', () => {
    const headOf = (count: number): string => `${OK}${'A: b\r\n'.repeat(count)}${LENGTH}\r\nok`;
    expect(read(headOf(255)).verdict).toBe('complete');
    expect(read(headOf(256)).verdict).toBe('broken');
  });

  it('has more interim replies before it than there may be', () => {
    const interim = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n';
    expect(read(`${interim.repeat(INTERIM_REPLIES_MAX)}${OK}${LENGTH}\r\nok`).verdict).toBe(
      'complete',
    );
    expect(read(`${interim.repeat(INTERIM_REPLIES_MAX + 1)}${OK}${LENGTH}\r\nok`).verdict).toBe(
      'broken',
    );
  });

  it('has more than 4 KiB of extensions or 8 KiB of trailers', () => {
    const extended = (bytes: number): string =>
      `${OK}${CHUNKED}\r\n2;${'x'.repeat(bytes - 1)}\r\nok\r\n0\r\n\r\n`;
    expect(read(extended(4096)).verdict).toBe('complete');
    expect(read(extended(4097)).verdict).toBe('broken');
    const trailed = (bytes: number): string =>
      `${OK}${CHUNKED}\r\n0\r\nA: ${'x'.repeat(bytes - 7)}\r\n\r\n`;
    expect(read(trailed(8192)).verdict).toBe('complete');
    expect(read(trailed(8193)).verdict).toBe('broken');
  });
});

describe('the fields of a reply', () => {
  it('go on without those of one connection, in one form, as undici would give them', () => {
    const text =
      `${OK}Server:nginx\r\nDate: x\r\nX-Empty:\r\nX-Blank: \r\nX-Wide: \t a  b\r\nConnection: X-Hop\r\n` +
      'X-Hop: 1\r\nKeep-Alive: timeout=5\r\nTE: x\r\nTrailer: y\r\nUpgrade: z\r\nX-Request-Id: 9\r\n' +
      'X-Response-Time: 1\r\nProxy-Connection: a\r\nSet-Cookie: a=b\r\nset-cookie: c=d\xe9\r\n' +
      'Content-Length: 0\r\n\r\n';
    const ours = readReply([Buffer.from(text, 'latin1')]);
    const theirs = reference.read(Buffer.from(text, 'latin1'));
    expect(ours.fields).toBe(
      '\r\nServer: nginx\r\nX-Empty: \r\nX-Blank: \r\nX-Wide: a  b\r\nSet-Cookie: a=b\r\nset-cookie: c=d\xe9',
    );
    expect(ours.fields).toBe(buildReplyFields(theirs.rawFields).fields);
  });

  it('have no blanks around their values', () => {
    const { fields } = read(`${OK}A:b\r\nC: \t d \t \r\nE: f \r\nContent-Length: 0\r\n\r\n`);
    expect(fields).toBe('\r\nA: b\r\nC: d\r\nE: f');
  });

  it('never hold a line end of their own', () => {
    const value = fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)) });
    fc.assert(
      fc.property(fc.array(fc.tuple(value, value), { maxLength: 6 }), (fields) => {
        const lines = fields.map(([name, text]) => `${name}: ${text}\r\n`).join('');
        const bytes = Buffer.from(`${OK}${lines}Content-Length: 0\r\n\r\n`, 'latin1');
        const { verdict, fields: block } = checkAgainstReference(bytes);
        if (verdict !== 'complete' || block === '') return;
        expect(block).toMatch(/^(?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\t\x20-\x7e\x80-\xff]*)+$/);
      }),
      { numRuns: 1000 },
    );
  });
});

/** Replies in parts that fit together, more or less. */
const PARTS = {
  start: ['HTTP/1.1 200 OK', 'HTTP/1.0 200 OK', 'HTTP/1.1 204 X', 'HTTP/1.1 304 X', 'HTTP/1.1 500'],
  field: [
    ...['Content-Length: 5', 'content-length:5', 'Content-Length: 0', 'Content-Length: 5 '],
    ...['Transfer-Encoding: chunked', 'transfer-encoding: CHUNKED', 'Transfer-Encoding: gzip'],
    ...[
      'Connection: close',
      'Connection: keep-alive',
      'Connection: x-a',
      'X-A: b',
      'X-B:',
      'Date: x',
    ],
    ...['Upgrade: x', 'Connection: upgrade', 'X\xe9: a', 'X: \xe9', ' folded', 'A : b', ''],
  ],
  body: [
    ...['', 'abcde', 'abcdef', '5\r\nabcde\r\n0\r\n\r\n', '2\r\nab\r\n3;x=y\r\ncde\r\n0\r\n\r\n'],
    ...['5\r\nabcde\r\n0\r\nT: u\r\n\r\n', '0\r\n\r\n', '5;a="b"\r\nabcde\r\n00\r\n\r\n', '\r\n'],
  ],
};
const reply = fc
  .record({
    interim: fc.constantFrom('', '', 'HTTP/1.1 103 E\r\nLink: a\r\n\r\n', 'HTTP/1.1 100 C\r\n\r\n'),
    start: fc.constantFrom(...PARTS.start),
    fields: fc.array(fc.constantFrom(...PARTS.field), { maxLength: 4 }),
    body: fc.constantFrom(...PARTS.body),
    next: fc.constantFrom('', '', 'x', `${OK}\r\n`),
  })
  .map(({ interim, start, fields, body, next }) =>
    Buffer.from(`${interim}${[start, ...fields, '', body].join('\r\n')}${next}`, 'latin1'),
  );
const BYTES = Array.from('\r\n\t :;,="\\\0\x01\x7f\x80\xff0159afgzAHT/.-chunked', (char) =>
  char.charCodeAt(0),
);
interface Mutation {
  readonly at: number;
  readonly kind: string;
  readonly byte: number;
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  at: fc.nat(200),
  kind: fc.constantFrom('replace', 'insert', 'remove', 'double'),
  byte: fc.oneof(fc.constantFrom(...BYTES), fc.nat(255)),
});

function mutate(bytes: Buffer, mutations: readonly Mutation[]): Buffer {
  const list = [...bytes];
  for (const { at, kind, byte } of mutations) {
    const place = at % (list.length + 1);
    if (kind === 'replace') list[Math.min(place, list.length - 1)] = byte;
    else if (kind === 'insert') list.splice(place, 0, byte);
    else if (kind === 'remove') list.splice(place, 1);
    else list.splice(place, 0, ...list.slice(place, place + 1 + (byte % 8)));
  }
  return Buffer.from(list);
}

const mutated = fc
  .tuple(reply, fc.array(mutation, { maxLength: 3 }))
  .map(([bytes, mutations]) => mutate(bytes, mutations));

describe('any bytes', () => {
  it('mean the same however they are cut into pieces', () => {
    fc.assert(
      fc.property(
        mutated,
        fc.array(fc.nat(200), { maxLength: 8 }),
        fc.boolean(),
        (bytes, places, isHead) => {
          const whole = comparable(readReply([bytes], { isHead }));
          for (const pieces of [cutAt(bytes, places), oneByOne(bytes)]) {
            expect(comparable(readReply(pieces, { isHead }))).toEqual(whole);
            expect(comparable(readReply(pieces, { isHead, isSlow: true }))).toEqual(whole);
          }
        },
      ),
      { numRuns: 4000 },
    );
  });

  it('are never read more leniently than llhttp reads them', () => {
    let complete = 0;
    fc.assert(
      fc.property(mutated, fc.boolean(), (bytes, isHead) => {
        if (checkAgainstReference(bytes, isHead).verdict === 'complete') complete++;
      }),
      { numRuns: 20_000 },
    );
    // Else the test would prove nothing.
    expect(complete).toBeGreaterThan(1000);
  });
});

interface Vector {
  readonly title: string;
  readonly type: string;
  readonly b64: string;
  readonly accept: boolean;
}

describeWithData(['llhttp-vectors.json'], 'vectors of llhttp', () => {
  const { vectors } = JSON.parse(readShared('llhttp-vectors.json')) as { vectors: Vector[] };
  const replies = vectors.filter(({ type }) => type === 'response');

  it('are there', () => {
    expect(replies.length).toBeGreaterThan(70);
  });

  it.each(replies)('$title', ({ b64, accept }) => {
    const bytes = Buffer.from(b64, 'base64');
    const ours = checkAgainstReference(bytes);
    // Bytes behind a reply that closes the connection: the reply stands, the connection does not.
    if (!accept) expect(ours.verdict === 'complete' && ours.isReusable).toBe(false);
  });
});
