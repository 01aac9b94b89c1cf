/** The same head again: what a connection is told must not depend on whether it was remembered. */
import { describe, expect, it } from 'vitest';
import { NO_FIELDS } from '../../../../src/base/field-block.js';
import {
  HeadMemory,
  HeadNumbers,
  REMEMBERED_BYTES_MAX,
} from '../../../../src/wire/http1/head-memory.js';
import { ReplyReader } from '../../../../src/wire/http1/reply-reader.js';
import {
  REQUEST_DATA,
  REQUEST_HEAD,
  REQUEST_REFUSED,
  RequestParser,
} from '../../../../src/wire/http1/request-parser.js';
import { below, mutate, type Random, seeded } from '../../../fuzz/mutations.js';
import { cutAt } from '../../../support/reply-outcome.js';
import { ORIGIN, RULES, readRequests } from '../../../support/request-outcome.js';

const GET = 'GET /a?b=1 HTTP/1.1\r\nHost: a.example\r\nX-A: 1\r\nCookie: k=1; l=2\r\n\r\n';
const HEADS = [
  GET,
  GET.replace('b=1', 'b=2'),
  GET.replace('X-A: 1', 'X_A: 1'),
  GET.replace('X-A', 'x-a'),
  'GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
  'POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc',
  'POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabd',
  'POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc',
  'POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-T: y\r\n\r\n',
  'GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  `GET /long HTTP/1.1\r\nHost: a\r\nX: ${'y'.repeat(REMEMBERED_BYTES_MAX)}\r\n\r\n`,
];

const LINES = [
  'GET /a HTTP/1.1',
  'GET /another/one?b HTTP/1.1',
  'GET http://a/b HTTP/1.1',
  'GET http://b/b HTTP/1.1',
  'OPTIONS * HTTP/1.1',
  'CONNECT a:443 HTTP/1.1',
  'POST /a HTTP/1.1',
  'TRACE /a HTTP/1.1',
  'GET /a HTTP/1.0',
  'GET /a HTTP/1.2',
];
const FIELDS = [
  'Host: a\r\nCookie: k=1; l=2',
  'Host: a\r\nHost: a',
  'Host: a b',
  'TE: trailers\r\nhost: A',
  'Host: a\r\nContent-Length: 0',
  'Host: a\r\nExpect: 100-continue',
  'Host: a\r\nConnection: close',
  'Host: a\r\nConnection: keep-alive',
  'Host: a\r\nConnection: x-a\r\nX-A: 1',
  'Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket',
  'Host: a\r\nConnection: Upgrade\r\nUpgrade: other',
  'Host: a\r\nX_A: 1',
  'X-A: 1',
];

/** Short fields are not remembered. */
const PADDING = `X-Padding: ${'p'.repeat(128)}\r\n`;

/** Messages of which many are the one before, and a few of those have a small change. */
function sequence(random: Random, from: readonly string[]): string[] {
  const messages: string[] = [];
  for (let count = 0; count < 12; count++) {
    const last = messages.at(-1);
    const choice = below(random, 10);
    if (last === undefined || choice < 3) messages.push(from[below(random, from.length)] ?? '');
    else messages.push(choice === 9 ? mutate(last, random) : last);
  }
  return messages;
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nX-A: 1\r\n';
const DATED = `${OK}Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\nabc`;
const REPLIES = [
  `${OK}\r\nabc`,
  `${OK}\r\nxyz`,
  DATED,
  DATED.replace(':37', ':38'),
  `HTTP/1.1 100 Continue\r\n\r\n${DATED}`,
  'HTTP/1.1 204 No Content\r\nKeep-Alive: timeout=5\r\n\r\n',
  'HTTP/1.1 299 Odd\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: y\r\n\r\n',
  'HTTP/1.1 299 Odd\r\nConnection: x-b\r\nX-B: 1\r\nContent-Length: 0\r\n\r\n',
  `${OK}X: ${'y'.repeat(REMEMBERED_BYTES_MAX)}\r\n\r\nabc`,
];

/** What one connection of a target comes to; `isCut`: byte by byte. */
function readReplies(replies: readonly string[], isCut: boolean): string {
  let log = '';
  let goesOn = true;
  const reader = new ReplyReader({
    onReplyBegun: () => {
      log += '\nbegun ';
    },
    onReplyInterim: ({ status }) => {
      log += `interim ${status} `;
    },
    onReplyHead: (head) => {
      log += JSON.stringify(head);
      // As the worker does with what goes to a client.
      Object.assign(head, { fields: NO_FIELDS, bodyBytes: -7, date: 'edited' });
    },
    onReplyData: (bytes) => {
      log += bytes.toString('latin1');
      return true;
    },
    onReplyEnd: (isReusable, trailers) => {
      log += ` end ${trailers}`;
      goesOn = isReusable;
    },
    // In which words, and whether before or after the end, depends on how the bytes were cut.
    onReplyBroken: () => {
      goesOn = false;
    },
  });
  for (const reply of replies) {
    const bytes = Buffer.from(reply, 'latin1');
    reader.begin(false);
    const pieces = isCut ? cutAt(bytes, Array.from(bytes.keys()).slice(1)) : [bytes];
    for (const piece of pieces) reader.take(piece, 0, piece.length);
    // What a reader keeps must not change with the bytes that it was given.
    bytes.fill(0x58);
    log += goesOn ? ' goes on' : ' closes';
    if (!goesOn || !log.includes(' end ', log.lastIndexOf('\n'))) break;
  }
  return log;
}

describe('the memory of a head', () => {
  it('changes nothing of what replies say', () => {
    const random = seeded(9110);
    for (let round = 0; round < 150; round++) {
      const replies = sequence(random, REPLIES);
      expect(readReplies(replies, false)).toBe(readReplies(replies, true));
    }
  });

  it('changes nothing of what requests say', () => {
    const random = seeded(9112);
    for (let round = 0; round < 150; round++) {
      const requests = sequence(random, HEADS);
      const stream = Buffer.from(requests.join(''), 'latin1');
      // A head that comes byte by byte is never remembered.
      const expected = readRequests(cutAt(stream, Array.from(stream.keys()).slice(1)));
      expect(readRequests([stream])).toEqual(expected);
      expect(readRequests(requests.map((one) => Buffer.from(one, 'latin1')))).toEqual(expected);
    }
  });

  it('knows fields again behind any line, and means them there as if they were read', () => {
    for (const fields of FIELDS) {
      for (const first of LINES) {
        for (const second of LINES) {
          const lines = [first, first, second, first, second];
          const heads = lines.map((line) => `${line}\r\n${PADDING}${fields}\r\n\r\n`);
          const stream = Buffer.from(heads.join(''));
          const expected = readRequests(cutAt(stream, Array.from(stream.keys()).slice(1)));
          expect(readRequests([stream])).toEqual(expected);
        }
      }
    }
  });

  it('knows fields of other lengths again, however their bytes are cut into pieces', () => {
    const random = seeded(9114);
    const sets = [1, 2, 3].map((count) => PADDING.repeat(count));
    for (let round = 0; round < 30; round++) {
      const heads = Array.from({ length: 24 }, (_, at) => {
        const fields = sets[Math.floor(at / 4) % sets.length];
        return `GET /${'p'.repeat(below(random, 9))} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;
      });
      const stream = Buffer.from(heads.join(''));
      const cuts = Array.from({ length: round }, () => below(random, stream.length));
      const expected = readRequests(cutAt(stream, Array.from(stream.keys()).slice(1)));
      expect(readRequests([stream])).toEqual(expected);
      const places = [...new Set(cuts)].filter((at) => at > 0).sort((a, b) => a - b);
      expect(readRequests(cutAt(stream, places))).toEqual(expected);
    }
  });

  it('does not take the end of fields that came in pieces for all of them', () => {
    const begin = 'GET / HTTP/1.1\r\n';
    const end = `Host: a\r\n${PADDING}\r\n`;
    // Behind its first line the second piece goes on where the fields began in the first one.
    const pieces = [`${begin}A: 1\r\n`, `B: ${'b'.repeat(begin.length - 5)}\r\n${end}`];
    const parts = [...pieces, ...pieces, ...pieces, begin + end].map((text) => Buffer.from(text));
    const stream = Buffer.concat(parts);
    const expected = readRequests(cutAt(stream, Array.from(stream.keys()).slice(1)));
    expect(readRequests(parts)).toEqual(expected);
  });

  it('knows no fields again that announce a body', () => {
    for (const fields of ['Content-Length: 1', 'Transfer-Encoding: chunked']) {
      const head = `POST / HTTP/1.1\r\nHost: a\r\n${PADDING}${fields}\r\n\r\n`;
      const message = head + (fields.endsWith('1') ? 'x' : '1\r\nx\r\n0\r\n\r\n');
      const other = message.replace('POST / ', 'PUT /other ');
      const stream = Buffer.from(message + message + other + message + other);
      const expected = readRequests(cutAt(stream, Array.from(stream.keys()).slice(1)));
      expect(readRequests([stream])).toEqual(expected);
    }
  });

  it('takes the same head for known, once it has come twice, and no other', () => {
    const memory = new HeadMemory();
    const bytes = Buffer.from(`--${GET}${GET}`);
    const [start, end] = [2, 2 + GET.length];
    memory.offer(bytes, start, end, RULES);
    expect(memory.match(bytes, start, end, RULES)).toBe(0);
    memory.offer(bytes, start, end, RULES);
    expect(memory.match(bytes, start, end, RULES)).toBe(GET.length);
    expect(memory.match(bytes, end, bytes.length, RULES)).toBe(GET.length);
    expect(memory.match(bytes, start, end - 1, RULES)).toBe(0);
    expect(memory.match(bytes, start, end, { ...RULES })).toBe(0);
    for (let at = start; at < end; at++) {
      const other = Buffer.from(bytes);
      other[at] = (other[at] ?? 0) ^ 1;
      expect(memory.match(other, start, end, RULES)).toBe(0);
    }
    memory.forget();
    expect(memory.match(bytes, start, end, RULES)).toBe(0);
  });

  it('does not copy head after head of which none comes again', () => {
    const memory = new HeadMemory();
    let kept = 0;
    for (let count = 0; count < 10_000; count++) {
      const bytes = Buffer.from(`GET /${10_000 + count} HTTP/1.1\r\nHost: a\r\n\r\n`);
      expect(memory.match(bytes, 0, bytes.length, RULES)).toBe(0);
      if (memory.offer(bytes, 0, bytes.length, RULES)) kept++;
    }
    expect(kept).toBeGreaterThan(10);
    expect(kept).toBeLessThan(200);
    const again = Buffer.from(GET);
    for (let count = 0; count < 300; count++) memory.offer(again, 0, again.length, RULES);
    while (!memory.offer(again, 0, again.length, RULES));
    expect(memory.match(again, 0, again.length, RULES)).toBe(again.length);
  });

  it('has a bound', () => {
    const memory = new HeadMemory();
    const long = Buffer.alloc(REMEMBERED_BYTES_MAX + 1, 'a');
    for (const length of [REMEMBERED_BYTES_MAX, REMEMBERED_BYTES_MAX + 1]) {
      memory.offer(long, 0, length, RULES);
      memory.offer(long, 0, length, RULES);
      const known = length > REMEMBERED_BYTES_MAX ? 0 : length;
      expect(memory.match(long, 0, length, RULES)).toBe(known);
      memory.forget();
    }
  });

  it('gives each head that comes again a number, which no other head ever has', () => {
    const numbers = new HeadNumbers();
    const parsers = [0, 1, 2].map(() => new RequestParser(RULES, ORIGIN, numbers));
    const random = seeded(9113);
    const heads = new Map<number, string>();
    let again = 0;
    for (let round = 0; round < 300; round++) {
      const at = below(random, parsers.length);
      for (const text of sequence(random, HEADS.slice(0, 5))) {
        const bytes = Buffer.from(text, 'latin1');
        const parser = parsers[at];
        if (parser === undefined || parser.step(bytes, 0, bytes.length) !== REQUEST_HEAD) break;
        const { headNumber } = parser.head;
        if (headNumber === 0) continue;
        again += 1;
        const head = `${round} ${text.slice(0, parser.at).trimStart()}`;
        const known = heads.get(headNumber) ?? head;
        expect(head).toBe(known);
        heads.set(headNumber, known);
      }
      parsers[at] = new RequestParser(RULES, ORIGIN, numbers);
    }
    expect(again).toBeGreaterThan(heads.size);
    expect(heads.size).toBeGreaterThan(100);
  });

  it('does not take back for later requests that their clients wait for 100', () => {
    const parser = new RequestParser(RULES, ORIGIN);
    const fields = 'Host: a\r\nContent-Length: 1\r\nExpect: 100-continue';
    const bytes = Buffer.from(`POST /b HTTP/1.1\r\n${fields}\r\n\r\na`);
    for (let count = 0; count < 4; count++) {
      expect(parser.step(bytes, 0, bytes.length)).toBe(REQUEST_HEAD);
      expect(parser.head.expectsContinue).toBe(true);
      // As the owner of the connection does once the client sends.
      parser.head.expectsContinue = false;
      expect(parser.step(bytes, parser.at, bytes.length)).toBe(REQUEST_DATA);
    }
  });

  it('is void under other rules', () => {
    const underscored = Buffer.from(GET.replace('X-A', 'X_A'));
    const parser = new RequestParser(RULES, ORIGIN);
    for (let count = 0; count < 3; count++) {
      expect(parser.step(underscored, 0, underscored.length)).toBe(REQUEST_HEAD);
      expect(parser.head.droppedFields).toBe(1);
    }
    parser.rules = { ...RULES, underscores: 'refuse' };
    expect(parser.step(underscored, 0, underscored.length)).toBe(REQUEST_REFUSED);
  });
});
