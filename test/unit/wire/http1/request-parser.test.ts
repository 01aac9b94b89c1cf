/**
 * What is read out of the bytes of a client's connection: by example, and cut everywhere. The
 * fuzzer (test/fuzz/request-fuzzer.ts) holds the parser against llhttp.
 */
import { describe, expect, it } from 'vitest';
import { PROBLEMS, type ProblemKind } from '../../../../src/base/problems.js';
import { REQUEST_HEAD, RequestParser } from '../../../../src/wire/http1/request-parser.js';
import { EMPTY_LINES_MAX, type RequestRules } from '../../../../src/wire/http1/request-rules.js';
import { cutAt } from '../../../support/reply-outcome.js';
import {
  ORIGIN,
  type RequestOutcome,
  RULES,
  readRequests,
} from '../../../support/request-outcome.js';

/** Reads it whole, byte by byte and cut at each place: all must come to the same. */
function read(text: string, rules: Partial<RequestRules> = {}): RequestOutcome {
  const bytes = Buffer.from(text, 'latin1');
  const all = { ...RULES, ...rules };
  const whole = readRequests([bytes], all);
  const step = Math.ceil(bytes.length / 300);
  const places = Array.from(bytes.keys()).filter((at) => at % step === 0);
  expect(readRequests(cutAt(bytes, places), all)).toEqual(whole);
  for (let at = 1; at < bytes.length; at += step) {
    expect(readRequests(cutAt(bytes, [at]), all)).toEqual(whole);
  }
  return whole;
}

function one(text: string, rules: Partial<RequestRules> = {}) {
  const { requests, problem } = read(text, rules);
  expect(problem).toBeNull();
  expect(requests).toHaveLength(1);
  return requests[0];
}

const HOST = 'Host: a.example\r\n';
const get = (fields: string, target = '/'): string =>
  `GET ${target} HTTP/1.1\r\n${HOST}${fields}\r\n`;
const post = (fields: string, body = ''): string =>
  `POST / HTTP/1.1\r\n${HOST}${fields}\r\n${body}`;
const CHUNKED = 'Transfer-Encoding: chunked\r\n';

describe('a request', () => {
  it('has the text that a lane takes', () => {
    expect(one(get('X-A:  b c \t\r\nX-B:\r\nx-Ü: 1\r\n'.replace('Ü', 'c')))).toMatchObject({
      method: 'GET',
      target: '/',
      fields: ['host', 'a.example', 'x-a', 'b c', 'x-b', '', 'x-c', '1'],
      protocol: 11,
      isPersistent: true,
      isComplete: true,
    });
  });

  it('ends where its framing says, and the next one begins there', () => {
    const { requests, isIdle } = read(
      `${post(CHUNKED, '3;a=b\r\nabc\r\n0\r\nX-T: 1\r\n\r\n')}\r\n` +
        `${post('Content-Length: 2\r\n', 'de')}GET / HTTP/1.0\r\n\r\n`,
    );
    expect(requests).toMatchObject([
      { method: 'POST', body: 'abc', trailers: '\r\nX-T: 1', isComplete: true },
      { method: 'POST', body: 'de', trailers: '', isComplete: true },
      { method: 'GET', protocol: 10, isPersistent: false, fields: ['host', '198.51.100.1:8080'] },
    ]);
    expect(isIdle).toBe(true);
  });

  it('has nothing of those that other connections send at the same time', () => {
    // Some go away in the middle, and some are refused; they are more than scanners are kept.
    const reads = Array.from({ length: 40 }, (_, number) => {
      const origin = { ...ORIGIN, peer: `192.0.2.${number}`, fallbackHost: `h${number}` };
      const fields = number % 4 === 1 ? 'bad field\r\n' : `X-N: ${'n'.repeat(number)}\r\n`;
      const bytes = Buffer.from(`GET /${number} HTTP/1.0\r\n${fields}\r\n`);
      const length = number % 4 === 2 ? 20 : bytes.length;
      return { number, parser: new RequestParser(RULES, origin), bytes, length };
    });
    const texts: string[] = [];
    for (let at = 0; at < 3 * 100; at += 1) {
      for (const { parser, bytes, length } of reads) {
        const place = at % 100;
        if (place >= length || parser.problem !== null) continue;
        const event = parser.step(bytes, place, place + 1);
        if (event === REQUEST_HEAD) texts.push(parser.head.text);
      }
    }
    const whole = reads.filter(({ number }) => number % 4 === 0 || number % 4 === 3);
    const wanted = whole.map(({ number }) => {
      const fields = `x-n\n${'n'.repeat(number)}\nhost\nh${number}`;
      return `GET\n/${number}\n192.0.2.${number}\nhttp\n${fields}`;
    });
    expect(texts.toSorted()).toEqual([...wanted, ...wanted, ...wanted].toSorted());
  });

  it('keeps bytes above 0x7f in its values', () => {
    const value = Buffer.from('ÿAndré', 'utf8').toString('latin1');
    expect(one(get(`X-User: ${value}\r\n`))?.fields.at(-1)).toBe(value);
    expect(one(get('X-User: \xff\r\n'))?.fields.at(-1)).toBe('\xff');
  });

  it('may have empty lines before it, a few of them', () => {
    const lines = '\r\n'.repeat(EMPTY_LINES_MAX);
    expect(one(lines + get(''))?.isComplete).toBe(true);
    expect(read(`${lines}\r\n${get('')}`).problem).toBe(PROBLEMS.badRequestLine);
    expect(read(lines).isIdle).toBe(true);
    expect(read(`\n${get('')}`).problem).toBe(PROBLEMS.badMethod);
    expect(read(`\r${get('')}`).problem).toBe(PROBLEMS.badRequestLine);
  });

  it('says what was read before the mistake for which it is refused', () => {
    const { problem, refusedText, refusedBodyBytes, reason } = read(
      'GET /x HTTP/1.1\r\nOrigin: https://a.example\r\nHost : a\r\n\r\n',
    );
    expect(problem).toBe(PROBLEMS.badField);
    expect(reason).toContain('space before the colon');
    expect(refusedText).toBe('GET\n/x\n192.0.2.1\nhttp\norigin\nhttps://a.example');
    expect(refusedBodyBytes).toBe(-1);
  });

  it('is told to its end where only its meaning is wrong', () => {
    const { refusedText, refusedBodyBytes } = read(
      `DELETE /x HTTP/1.1\r\nContent-Length: 7\r\n${HOST}${HOST}Origin: null\r\n\r\n`,
    );
    expect(refusedText).toContain('\norigin\nnull');
    expect(refusedBodyBytes).toBe(7);
  });
});

describe('a connection', () => {
  const line = (version: string): string => `GET / HTTP/${version}\r\n${HOST}`;

  it.each([
    ['1.1', '', true],
    ['1.1', 'Connection: close\r\n', false],
    ['1.1', 'Connection: x, Close\r\nConnection: keep-alive\r\n', false],
    ['1.0', '', false],
    ['1.0', 'Connection: keep-alive\r\n', true],
    ['1.0', 'Connection: Keep-Alive, x\r\n', true],
    ['1.0', 'Connection: keep-alive, close\r\n', false],
    // No blank: a token of another name.
    ['1.0', 'Connection: \xa0keep-alive\r\n', false],
    ['1.1', 'Connection: \xa0close\r\n', true],
    ['1.0', 'Connection: x,\tkeep-alive\t\r\n', true],
  ])('of HTTP/%s with %j persists: %s', (version, fields, isPersistent) => {
    expect(one(`${line(version)}${fields}\r\n`)?.isPersistent).toBe(isPersistent);
  });

  it('names its own fields to the worker where there are some', () => {
    const named = one(get('Connection: close, X-A\r\nX-A: 1\r\n'));
    expect(named?.fields).toContain('connection');
    const plain = one(get('Connection: close, TE, Upgrade\r\nTE: x\r\nKeep-Alive: 1\r\n'));
    expect(plain?.fields).toEqual(['host', 'a.example']);
  });

  it('tells an upgrade that Connection names', () => {
    const fields = 'Connection: Upgrade\r\nUpgrade: H2C\r\n';
    expect(one(get(fields))?.upgrade).toBe('h2c');
    expect(one(get('Upgrade: h2c\r\n'))?.upgrade).toBe('');
    expect(one(`${line('1.0')}${fields}\r\n`)?.upgrade).toBe('');
  });

  it('tells a handshake of a WebSocket, and refuses what is none', () => {
    const fields = 'Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n';
    expect(one(get(fields))?.wantsTunnel).toBe(true);
    expect(one(get('Connection: Upgrade\r\nUpgrade: h2c\r\n'))?.wantsTunnel).toBe(false);
    const length = 'Content-Length: 1\r\n';
    const wrong = [
      get('Upgrade: websocket\r\n'),
      get('Connection: Upgrade\r\nUpgrade: h2c, WebSocket\r\n'),
      get('Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: websocket\r\n'),
      `${get(`${fields}${length}`)}a`,
      post(`${fields}${length}`, 'a'),
      `${line('1.0')}${fields}\r\n`,
    ];
    for (const text of wrong) expect(read(text).problem, text).toBe(PROBLEMS.badHandshake);
  });

  it('tells who waits for 100', () => {
    const expects = (text: string) => one(text)?.expectsContinue;
    expect(expects(post('Expect: 100-Continue\r\nContent-Length: 2\r\n', 'ab'))).toBe(true);
    expect(expects(post(`Expect: 100-continue\r\n${CHUNKED}`, '0\r\n\r\n'))).toBe(true);
    expect(expects(get('Expect: 100-continue\r\n'))).toBe(false);
    const old = 'POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na';
    expect(expects(old)).toBe(false);
    expect(read(get('Expect: tea\r\n')).problem).toBe(PROBLEMS.expectationFailed);
  });
});

describe('a target', () => {
  it.each([
    ['/a//b/../%2F?c=d', '/a//b/../%2F?c=d'],
    ['/a|b\\{}`^"<>?|', '/a%7Cb%5C%7B%7D%60%5E%22%3C%3E?%7C'],
    ['/caf\xe9', '/caf%E9'],
    ['http://a.example/x?y', '/x?y'],
    ['HTTP://A.example:80', '/'],
    ['https://a.example:443?q', '/?q'],
  ])('%j goes on as %j', (target, expected) => {
    expect(one(get('', target))?.target).toBe(expected);
  });

  it.each([
    ...['', 'x', '/a b', '/a#b', '/a\x7f', '/a\0', '*', 'ftp://a.example/', 'http:///x', '?'],
    ...['http://a.\\example/', 'http://a%2fexample/', 'http://\xe4.example/', 'http://u@a/'],
  ])('%j is refused', (target) => {
    const { problem } = read(get('', target));
    expect([PROBLEMS.badTarget, PROBLEMS.badRequestLine]).toContain(problem);
  });

  it('with raw characters is refused where the rules say so', () => {
    expect(read(get('', '/a|b'), { rawCharacters: 'refuse' }).problem).toBe(PROBLEMS.badTarget);
  });

  it('may be all of the server, for OPTIONS', () => {
    expect(one(`OPTIONS * HTTP/1.1\r\n${HOST}\r\n`)?.target).toBe('*');
    expect(one(`OPTIONS http://a.example HTTP/1.1\r\n${HOST}\r\n`)?.target).toBe('*');
  });

  it('is an authority with CONNECT alone, which no rule takes', () => {
    const text = `CONNECT a.example:443 HTTP/1.1\r\n${HOST}\r\n`;
    expect(read(text).problem).toBe(PROBLEMS.unknownMethod);
  });

  it('names the Host that the request gets', () => {
    const hostOf = (target: string) => one(get('X: y\r\n', target))?.fields;
    expect(hostOf('http://A.example:80/')).toEqual(['host', 'a.example', 'x', 'y']);
    expect(hostOf('http://b.example/')).toEqual(['x', 'y', 'host', 'b.example']);
    expect(hostOf('http://a.example:8080/')).toEqual(['x', 'y', 'host', 'a.example:8080']);
    const two = `GET http://b.example/ HTTP/1.1\r\n${HOST}${HOST}\r\n`;
    expect(read(two).problem).toBe(PROBLEMS.badHost);
    expect(read('GET http://b.example/ HTTP/1.1\r\n\r\n').problem).toBe(PROBLEMS.badHost);
    const odd = 'GET http://b.example/ HTTP/1.1\r\nHost: a/b\r\n\r\n';
    expect(read(odd).problem).toBe(PROBLEMS.badHost);
    expect(one('GET http://b.example/x HTTP/1.0\r\n\r\n')?.fields).toEqual(['host', 'b.example']);
  });
});

describe('a method', () => {
  it('beyond the usual ones is for routes to judge', () => {
    expect(one(`PROPFIND / HTTP/1.1\r\n${HOST}\r\n`)?.method).toBe('PROPFIND');
    expect(one(`get / HTTP/1.1\r\n${HOST}\r\n`)?.method).toBe('get');
  });

  it('without a body has none', () => {
    const trace = `TRACE / HTTP/1.1\r\n${HOST}Content-Length: 1\r\n\r\na`;
    expect(read(trace).problem).toBe(PROBLEMS.bodyNotAllowed);
    for (const method of ['GET', 'HEAD']) {
      const withBody = `${method} / HTTP/1.1\r\n${HOST}Content-Length: 1\r\n\r\na`;
      expect(read(withBody, { bodyOnGet: false }).problem).toBe(PROBLEMS.bodyNotAllowed);
      expect(one(withBody)?.body).toBe('a');
    }
  });
});

describe('a name with an underscore', () => {
  const text = get('X_User: root\r\nContent_Length: 5\r\n');

  it('is dropped, forwarded or refused', () => {
    expect(one(text)).toMatchObject({ fields: ['host', 'a.example'], droppedFields: 2 });
    expect(one(text, { underscores: 'forward' })).toMatchObject({
      fields: ['host', 'a.example', 'x_user', 'root', 'content_length', '5'],
      bodyBytes: 0,
    });
    expect(read(text, { underscores: 'refuse' }).problem).toBe(PROBLEMS.badField);
  });

  it('is the same in trailers', () => {
    const trailers = post(CHUNKED, '0\r\nX_A: 1\r\nX-B: 2\r\n\r\n');
    expect(one(trailers)?.trailers).toBe('\r\nX-B: 2');
    expect(one(trailers, { underscores: 'forward' })?.trailers).toBe('\r\nX_A: 1\r\nX-B: 2');
  });
});

const { badField, badFraming, badHost, badLength, badMethod, badRequestLine } = PROBLEMS;

describe('a head', () => {
  it.each<[string, ProblemKind]>([
    ['GET / HTTP/1.1\nHost: a\n\n', badRequestLine],
    ['GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n', badField],
    ['GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n', badField],
    ['GET / HTTP/1.1\r\nHost: a\r\n\rX', badField],
    ['GET / HTTP/1.1\r\nHost: a\r\n X: y\r\n\r\n', badField],
    ['GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\tz\r\n\r\n', badField],
    ['GET / HTTP/1.1\r\nHost : a\r\n\r\n', badField],
    ['GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n', badField],
    ['GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n', badField],
    ['GET / HTTP/1.1\r\nHost: a\r\nX(: y\r\n\r\n', badField],
    ['GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n', badField],
    ['GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n', badField],
    ['GET / HTTP/1.1\r\nHost: a\r\n\xc3: y\r\n\r\n', badField],
    ['GET /\r\n\r\n', badRequestLine],
    ['GET / \r\n\r\n', badRequestLine],
    ['GET /  HTTP/1.1\r\nHost: a\r\n\r\n', badRequestLine],
    ['GET / http/1.1\r\nHost: a\r\n\r\n', badRequestLine],
    ['GET / HTTP/1.1 \r\nHost: a\r\n\r\n', badRequestLine],
    ['GET / HTTP/1.10\r\nHost: a\r\n\r\n', badRequestLine],
    ['GET / HTTP/1.2\r\nHost: a\r\n\r\n', PROBLEMS.badVersion],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', PROBLEMS.badVersion],
    ['GET / HTTP/2.0\r\n\r\n', PROBLEMS.badVersion],
    [' GET / HTTP/1.1\r\nHost: a\r\n\r\n', badMethod],
    ['G(T / HTTP/1.1\r\nHost: a\r\n\r\n', badMethod],
    [`${'G'.repeat(40)} / HTTP/1.1\r\nHost: a\r\n\r\n`, badMethod],
    ['\x16\x03\x01\x02\x00', badMethod],
    ['GET / HTTP/1.1\r\n\r\n', badHost],
    ['GET / HTTP/1.1\r\nHost:\r\n\r\n', badHost],
    ['GET / HTTP/1.1\r\nHost: a, b\r\n\r\n', badHost],
    ['GET / HTTP/1.1\r\nHost: a@b\r\n\r\n', badHost],
    ['GET / HTTP/1.0\r\nHost: a/b\r\n\r\n', badHost],
    [get('Host: a.example\r\n'), badHost],
    [post('Content-Length: 1\r\nContent-Length: 1\r\n', 'a'), badFraming],
    [post('Content-Length: 1, 1\r\n', 'a'), badLength],
    [post('Content-Length: +1\r\n', 'a'), badLength],
    [post('Content-Length:\r\n'), badLength],
    [post('Content-Length: 0x1\r\n', 'a'), badLength],
    [post(`Content-Length: ${'9'.repeat(16)}\r\n`), badLength],
    [post('Content-Length: 1001\r\n'), PROBLEMS.bodyTooLarge],
    [post(`${CHUNKED}Content-Length: 1\r\n`, 'a'), badFraming],
    [post(CHUNKED + CHUNKED, '0\r\n\r\n'), badFraming],
    [post('Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n'), badFraming],
    [post('Transfer-Encoding: , chunked\r\n', '0\r\n\r\n'), badFraming],
    [post('Transfer-Encoding:\r\n'), badFraming],
    [post('Transfer-Encoding: identity\r\n'), PROBLEMS.unknownCoding],
    [`POST / HTTP/1.0\r\n${HOST}${CHUNKED}\r\n0\r\n\r\n`, badFraming],
  ])('%j is refused', (text, kind) => {
    const { problem, requests, reason } = read(text);
    expect(requests).toEqual([]);
    expect(problem).toBe(kind);
    expect(reason).not.toBe('');
  });

  it('has a size, and one byte more is too many', () => {
    const head = get(`X: ${'a'.repeat(100)}\r\n`);
    const headerBytes = head.length - 2;
    expect(one(head, { headerBytes })?.isComplete).toBe(true);
    expect(read(head, { headerBytes: headerBytes - 1 }).problem).toBe(PROBLEMS.headTooLarge);
    // Without an end in sight.
    expect(read(head.slice(0, -4), { headerBytes: 80 }).problem).toBe(PROBLEMS.headTooLarge);
  });

  it('has a target that fills it, and one more byte of it alone is a target too long', () => {
    const target = `/${'a'.repeat(12_000)}`;
    const head = get('', target);
    const headerBytes = head.length - 2;
    expect(one(head, { headerBytes })?.target).toBe(target);
    expect(read(head, { headerBytes: headerBytes - 1 }).problem).toBe(PROBLEMS.headTooLarge);
    const inTarget = 'GET '.length + target.length - 3;
    expect(read(head, { headerBytes: inTarget }).problem).toBe(PROBLEMS.targetTooLong);
  });

  it('has a bounded number of fields', () => {
    const fields = 'X: y\r\n'.repeat(RULES.headerFields - 1);
    expect(one(get(fields))?.fields).toHaveLength(2 * RULES.headerFields);
    expect(read(get(`${fields}X: y\r\n`)).problem).toBe(PROBLEMS.headTooLarge);
  });

  it('of raw characters alone has room for their encoding', () => {
    const target = `/${'\xff'.repeat(65_000)}`;
    const head = get('', target);
    const rules = { headerBytes: head.length - 2 };
    expect(one(head, rules)?.target).toHaveLength(1 + 3 * 65_000);
  });
});

describe('a chunked body', () => {
  it.each([
    '5\nhello\r\n0\r\n\r\n',
    '5 \r\nhello\r\n0\r\n\r\n',
    '5;\r\nhello\r\n0\r\n\r\n',
    '5;a\nhello\r\n0\r\n\r\n',
    '5;a="\r\nhello\r\n0\r\n\r\n',
    '0x5\r\nhello\r\n0\r\n\r\n',
    '-5\r\nhello\r\n0\r\n\r\n',
    '\r\n0\r\n\r\n',
    '5\r\nhelloX\r\n0\r\n\r\n',
    `${'f'.repeat(14)}\r\n`,
    `5;${'a'.repeat(4200)}`,
    '0\r\nX\r\n\r\n',
    '0\r\nX : y\r\n\r\n',
    '0\r\nContent-Length: 5\r\n\r\n',
    '0\r\nTransfer-Encoding: chunked\r\n\r\n',
    '0\r\nX: y\n\r\n',
    `0\r\n${'X: y\r\n'.repeat(65)}\r\n`,
    `0\r\nX: ${'y'.repeat(8192)}\r\n\r\n`,
  ])('is refused when it is %j', (body) => {
    const { problem, requests } = read(post(CHUNKED, body));
    expect(problem).toBe(PROBLEMS.badChunk);
    expect(requests).toMatchObject([{ isComplete: false }]);
  });

  it('has only trailers that may stand there', () => {
    const trailers = 'Host: b\r\nAuthorization: x\r\nConnection: y\r\nX-Sum:  1 \r\n';
    expect(one(post(CHUNKED, `0\r\n${trailers}\r\n`))?.trailers).toBe('\r\nX-Sum: 1');
  });
});
