/**
 * Question: what does it cost to read the head of a request, from bytes to the text of a lane?
 *
 * A short head as load generators send it, and a browser's with a token and a cookie: whole, and
 * cut in the middle. The alternative is what the guard does with the strings that a native parser
 * hands over: the cost of that parser, and of its strings, is not in it.
 */
import { RequestGuard } from '../../../src/acceptor/uws/request-guard.js';
import { RequestParser } from '../../../src/wire/http1/request-parser.js';
import type { RequestRules } from '../../../src/wire/http1/request-rules.js';
import { type Bench, fold } from '../../support/bench-harness.js';

const RULES: RequestRules = {
  headerBytes: 16_384,
  headerFields: 90,
  bodyBytes: 1_000_000,
  bodyOnGet: true,
  underscores: 'drop',
  rawCharacters: 'encode',
};
const ORIGIN = { peer: '127.0.0.1', connection: 'http', fallbackHost: 'a' };

const SHORT = 'GET /api/items/42 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n';
const BROWSER =
  'GET /api/v1/items?page=2&sort=name HTTP/1.1\r\nHost: api.example.com\r\n' +
  'sec-ch-ua: "Chromium";v="124", "Not-A.Brand";v="99"\r\nsec-ch-ua-mobile: ?0\r\n' +
  'Accept: application/json, text/plain, */*\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) ' +
  'AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36\r\n' +
  `Authorization: Bearer ${'eyJhbGciOiJSUzI1NiIs'.repeat(10)}\r\n` +
  'Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n' +
  'Referer: https://app.example.com/items\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n' +
  'Accept-Language: en-US,en;q=0.9\r\nCookie: session=abcdef0123456789abcdef; theme=dark\r\n\r\n';

export const bench: Bench = {
  question: 'what does the head of a request cost, from bytes to the text of a lane?',

  run(context) {
    const operations = context.parameter('heads', 16, 65_536);
    return context.measureEach(
      [
        { name: 'short', text: SHORT },
        { name: 'browser', text: BROWSER },
      ].flatMap(({ name, text }) => [
        {
          name: `RequestParser: ${name}`,
          role: 'subject' as const,
          operations,
          run: parse(text, text.length, operations),
        },
        {
          name: `RequestParser: ${name}, in two pieces`,
          role: 'subject' as const,
          operations,
          run: parse(text, text.length >> 1, operations),
        },
        {
          name: `RequestGuard: ${name}, of ready strings`,
          role: 'alternative' as const,
          operations,
          run: guard(text, operations),
        },
      ]),
    );
  },
};

function parse(text: string, cut: number, operations: number): () => number {
  const bytes = Buffer.from(text, 'latin1');
  const parser = new RequestParser(RULES, ORIGIN);
  return () => {
    let sum = 0;
    for (let count = 0; count < operations; count += 1) {
      parser.step(bytes, 0, cut);
      if (cut < bytes.length) parser.step(bytes, cut, bytes.length);
      sum = fold(sum, parser.head.text.length);
    }
    return sum;
  };
}

function guard(text: string, operations: number): () => number {
  const [line = '', ...lines] = text.slice(0, -4).split('\r\n');
  const [method = '', target = ''] = line.split(' ');
  const names = lines.map((one) => one.slice(0, one.indexOf(':')).toLowerCase());
  const values = lines.map((one) => one.slice(one.indexOf(':') + 2));
  const judge = new RequestGuard(RULES, 'drop');
  return () => {
    let sum = 0;
    for (let count = 0; count < operations; count += 1) {
      judge.begin(method, target);
      let fields = '';
      for (let at = 0; at < names.length; at += 1) {
        const name = names[at] ?? '';
        const value = values[at] ?? '';
        if (judge.field(name, value)) fields += `\n${name}\n${value}`;
      }
      const head = `${method}\n${target}\n${ORIGIN.peer}\n${ORIGIN.connection}${fields}`;
      sum = fold(sum, judge.finish() === null ? head.length : 0);
    }
    return sum;
  };
}
