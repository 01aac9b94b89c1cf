/**
 * Mutated connections of clients, read by our parser and by llhttp.
 *
 * What must hold: any cut gives the same events; what goes on to a target is read there as it was
 * meant; and what our parser takes, llhttp takes too and reads the same. Where the two differ and
 * the RFC is on our side, the difference has a name in READ_BY_US_ALONE.
 */
import { HTTP_METHODS } from '../../src/base/http-method.js';
import type { RequestRules } from '../../src/wire/http1/request-rules.js';
import { forwarded } from '../support/forwarded-requests.js';
import {
  LlhttpRequests,
  type ReferenceRequest,
  type ReferenceRequests,
} from '../support/llhttp-requests.js';
import { cutAt } from '../support/reply-outcome.js';
import {
  type ParsedRequest,
  type RequestOutcome,
  RULES,
  readRequests,
} from '../support/request-outcome.js';
import { below, mutate, type Random } from './mutations.js';

const GET = 'GET /a?b=c HTTP/1.1\r\nHost: a.example\r\nAccept: */*\r\n\r\n';
const POST = 'POST /p HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello';
const CHUNKED =
  'PUT /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n' +
  '0\r\n\r\n';
const TRAILERS =
  'POST /t HTTP/1.1\r\nHost: a\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n' +
  'a;q="v;\\"w"\r\n0123456789\r\n0\r\nX-Sum: 1\r\nX-B:  c \r\n\r\n';

/** Streams of requests on one connection. */
const CONNECTIONS = [
  GET + POST,
  POST + GET,
  CHUNKED + GET,
  TRAILERS + GET,
  POST + CHUNKED + POST,
  'GET http://a.example/x?y HTTP/1.1\r\nHost: a.example\r\nX_a: 1\r\nX-Y: z\r\n\r\n',
  `OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n${GET}`,
  `GET /o HTTP/1.0\r\nConnection: keep-alive\r\n\r\n${GET}`,
  'HEAD /h HTTP/1.0\r\nHost: a\r\n\r\n',
  `POST /e HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok${GET}`,
  `GET / HTTP/1.1\r\nHost: [::1]:80\r\nConnection: x-a, close\r\nX-A: b\r\nUpgrade: h2c\r\n\r\n`,
  `\r\n${GET}\r\n${GET}`,
  `DELETE /d HTTP/1.1\r\nHost: a\r\nCookie: a=b; c="d"\r\nX-Long: ${'v'.repeat(300)}\r\n\r\n${POST}`,
];

/** Of others llhttp has a list of its own. */
const METHODS: ReadonlySet<string> = new Set(HTTP_METHODS);

const RULE_SETS: readonly RequestRules[] = [
  RULES,
  { ...RULES, underscores: 'forward', rawCharacters: 'refuse', bodyOnGet: false },
  { ...RULES, underscores: 'refuse', headerBytes: 200 },
];

const reference = new LlhttpRequests();

export function fuzzRequests(random: Random): string {
  const text = mutate(CONNECTIONS[below(random, CONNECTIONS.length)] ?? '', random);
  const rules = RULE_SETS[below(random, RULE_SETS.length)] ?? RULES;
  const places = Array.from({ length: below(random, 6) }, () => below(random, text.length));
  const why = judgeRequests(Buffer.from(text, 'latin1'), places, rules);
  return why === '' ? '' : `${why}: ${JSON.stringify(text)}`;
}

/** What is wrong with how these bytes are read; '' when nothing is. */
export function judgeRequests(
  bytes: Buffer,
  places: readonly number[],
  rules: RequestRules,
): string {
  const whole = readRequests([bytes], rules);
  const cut = readRequests(cutAt(bytes, places), rules);
  if (JSON.stringify(whole) !== JSON.stringify(cut)) return `cut at ${places.join()} it differs`;
  const complete = whole.requests.filter(({ isComplete }) => isComplete);
  if (complete.length === 0 || complete.some(({ method }) => !METHODS.has(method))) return '';
  return wrongBehindUs(complete) || wrongBesideUs(bytes, whole, complete);
}

/** What goes on to a target must be read there as it was meant. */
function wrongBehindUs(complete: readonly ParsedRequest[]): string {
  const sent = complete.map(forwarded).join('');
  const { requests, isRejected, reason } = reference.read(Buffer.from(sent, 'latin1'));
  if (isRejected) return `behind us it is refused (${reason})`;
  if (requests.length !== complete.length) return `behind us there are ${requests.length} requests`;
  for (const [at, request] of complete.entries()) {
    const theirs = requests[at];
    const isSame =
      theirs?.isComplete === true &&
      theirs.method === request.method &&
      theirs.target === request.target &&
      theirs.body === request.body &&
      valueNamed(theirs.fields, 'host') === valueNamed(request.fields, 'host');
    if (!isSame) return `behind us request ${at} is another one`;
  }
  return '';
}

/** What our parser takes, llhttp takes and reads the same. */
function wrongBesideUs(
  bytes: Buffer,
  { requests }: RequestOutcome,
  complete: readonly ParsedRequest[],
): string {
  const theirs = reference.read(bytes);
  for (const [at, request] of complete.entries()) {
    const other = theirs.requests[at];
    if (other?.isComplete === true && isSame(request, other)) continue;
    if (isReadByUsAlone(bytes.toString('latin1'), theirs)) return '';
    return `beside us request ${at} of ${requests.length} is another one (${theirs.reason})`;
  }
  return '';
}

/** Reasons of llhttp for refusing what RFC 9112 allows, each with what stands in the bytes then. */
const READ_BY_US_ALONE: readonly (readonly [reason: RegExp, bytes: RegExp])[] = [
  // White space behind a value may be a tab (RFC 9110 5.6.3); lengths go on in our own spelling.
  [/^(?:Invalid character in Content-Length|Request has invalid `Transfer-Encoding`)/, /\t\r\n/],
  [/^Data after `Connection: close`/, /keep-alive *\t\s*\r\n/i],
  // No URI has bytes above 0x7f; they go on percent-encoded.
  [/^(?:Invalid char|Unexpected char) in url/, /[A-Z] [!-~]*[\x80-\xff]/],
];

function isReadByUsAlone(text: string, { reason }: ReferenceRequests): boolean {
  return READ_BY_US_ALONE.some(([why, what]) => why.test(reason) && what.test(text));
}

function isSame(ours: ParsedRequest, theirs: ReferenceRequest): boolean {
  return (
    ours.method === theirs.method &&
    ours.target === meantTarget(theirs) &&
    ours.body === theirs.body
  );
}

/** The origin form, without raw characters. */
function meantTarget({ method, target }: ReferenceRequest): string {
  const origin = target.replace(/^https?:\/\/[^/?]*/i, '');
  if (origin === '') return method === 'OPTIONS' ? '*' : '/';
  return origin
    .replace(/^(?=\?)/, '/')
    .replace(
      /["<>\\^`{|}\x80-\xff]/g,
      (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
    );
}

function valueNamed(fields: readonly string[], name: string): string {
  const at = fields.findIndex((one, place) => place % 2 === 0 && one === name);
  return at === -1 ? '' : (fields[at + 1] ?? '');
}
