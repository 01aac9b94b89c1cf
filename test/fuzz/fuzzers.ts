/**
 * Mutated inputs for what reads bytes of strangers, or bytes of another thread: each is judged by
 * rules that were not written by looking at the code. A fuzzer returns what broke a rule, or ''.
 */
import { RequestGuard } from '../../src/acceptor/uws/request-guard.js';
import { AssertionError } from '../../src/base/assert.js';
import { type FieldBlock, field, joinFields } from '../../src/base/field-block.js';
import { ByteRingConsumer, ByteRingProducer, byteRingBytes } from '../../src/channel/byte-ring.js';
import {
  decodeRequestHead,
  type NewRequest,
  PROTOCOL_HTTP_1_1,
  requestBodyBytes,
  requestHeadParts,
  tryWriteRequestHead,
} from '../../src/channel/records/request-head.js';
import {
  responseInlineBody,
  responsePhrase,
  responseText,
  writeResponseHead,
} from '../../src/channel/records/response-head.js';
import { below, mutate, type Random } from './mutations.js';
import { fuzzRequests } from './request-fuzzer.js';

const HEADS = [
  'GET / HTTP/1.1\r\nHost: a\r\n',
  'POST /a/b?c=d HTTP/1.1\r\nHost: a.example:80\r\nContent-Length: 5\r\n',
  'PUT /x HTTP/1.1\r\nHost: [::1]:8080\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n',
  'DELETE /%20 HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nUpgrade: h2c\r\nExpect: 100-continue\r\n',
  'GET /q HTTP/1.1\r\nHost: a\r\nAccept: */*\r\nCookie: a=b; c=d\r\nX-Forwarded-For: 1.2.3.4\r\n',
];
const LIMITS = { headerBytes: 4096, headerFields: 90, bodyBytes: 1000, bodyOnGet: false };
const guard = new RequestGuard(LIMITS, 'drop');

interface Head {
  readonly method: string;
  readonly target: string;
  readonly fields: readonly (readonly [name: string, value: string])[];
}

/** As leniently as any parser ever read one: what the guard must be able to stand behind. */
function readLeniently(text: string): Head {
  const [line = '', ...lines] = text.split('\r\n');
  const [method = '', target = ''] = line.split(' ');
  const fields = lines
    .filter((one) => one !== '')
    .map((one) => {
      const colon = one.indexOf(':');
      const name = colon === -1 ? one : one.slice(0, colon);
      const value = colon === -1 ? '' : one.slice(colon + 1).replace(/^ +| +$/g, '');
      return [name.toLowerCase(), value] as const;
    });
  return { method, target, fields };
}

const HOP_BY_HOP = /^(?:te|trailer|upgrade|keep-alive|proxy-connection|http2-settings|expect)$/;
const FRAMING = /^(?:content-length|transfer-encoding)$/;

/** Why a head that was let in must not have been. */
function whyNot(head: Head, passed: readonly string[], bodyBytes: number): string {
  const named = (name: string): string[] =>
    head.fields.filter(([one]) => one === name).map(([, value]) => value);
  const [lengths, codings] = [named('content-length'), named('transfer-encoding')];
  if (!/^(?!CONNECT$)[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/.test(head.method)) return 'method';
  if (!/^\/[!-~]*$/.test(head.target) || /[#<>"\\]/.test(head.target)) return 'target';
  if (named('host').length !== 1) return 'host count';
  if (!/^[\w.~:[\]%-]+$/.test(named('host')[0] ?? '')) return 'host';
  if (lengths.length + codings.length > 1) return 'two framings';
  if (lengths.some((value) => !/^\d{1,15}$/.test(value))) return 'length';
  if (codings.some((value) => value.toLowerCase() !== 'chunked')) return 'coding';
  const meant = codings.length > 0 ? -1 : Number(lengths[0] ?? 0);
  if (bodyBytes !== meant || bodyBytes > LIMITS.bodyBytes) return 'body size';
  if (bodyBytes !== 0 && /^(?:GET|HEAD|TRACE)$/.test(head.method)) return 'body of a GET';
  for (const [name, value] of head.fields) {
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)) return 'field name';
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
    if (/[\x00-\x08\x0a-\x1f\x7f]/.test(value)) return 'field value';
  }
  if (passed.some((name) => HOP_BY_HOP.test(name) || FRAMING.test(name))) return 'hop by hop';
  return '';
}

/** The guard: what it lets in, and what it lets pass of that. */
export function fuzzGuard(random: Random): string {
  const text = mutate(HEADS[below(random, HEADS.length)] ?? '', random);
  const head = readLeniently(text);
  guard.begin(head.method, head.target);
  const passed = head.fields.filter(([name, value]) => guard.field(name, value));
  if (guard.finish() !== null) return '';
  const names = passed.map(([name]) => name);
  const why = whyNot(head, names, guard.bodyBytes);
  return why === '' ? '' : `${why}: ${JSON.stringify(text)}`;
}

const RING_BYTES = 1 << 16;
const memory = { buffer: new SharedArrayBuffer(byteRingBytes(RING_BYTES)), offset: 0 };
const producer = new ByteRingProducer({ ...memory, capacity: RING_BYTES });
const consumer = new ByteRingConsumer({ ...memory, capacity: RING_BYTES });

/** A request head, its payload spoilt on the way: what is read lies within the record. */
export function fuzzRequestRecord(random: Random): string {
  const text = mutate(HEADS[below(random, HEADS.length)] ?? '', random);
  const head: NewRequest = {
    receivedMs: random() * 1e6,
    bodyBytes: 0,
    protocol: PROTOCOL_HTTP_1_1,
    listener: 0,
    expectsContinue: false,
    wantsTunnel: false,
    text,
  };
  if (!tryWriteRequestHead(producer, 7, 3, head)) return 'too much waits';
  const spoilt = below(random, 2) === 1;
  const at = producer.payload + below(random, 20 + text.length);
  if (spoilt) producer.bytes[at] = below(random, 256);
  producer.publish();
  let wrong = 'no record came';
  consumer.drain({
    onRecord: (_kind, _flags, index, generation) => {
      const parts = requestHeadParts(consumer);
      const { payload, payloadBytes, sharedBytes } = consumer;
      const decoded = decodeRequestHead(sharedBytes.subarray(payload, payload + payloadBytes));
      const isSame = decoded.text === parts.join('\n') && decoded.text.length === text.length;
      const isKept = spoilt || (decoded.text === text && requestBodyBytes(consumer) === 0);
      wrong = isSame && isKept && index === 7 && generation === 3 ? '' : JSON.stringify(text);
    },
  });
  return wrong;
}

const SERVER_FIELDS = joinFields(field('Server', 'x'), field('Content-Type', 'text/plain'));

/** A reply head whose lengths lie: no view may reach beyond the record. */
export function fuzzReplyRecord(random: Random): string {
  const requestId = 'abc';
  const block = mutate(SERVER_FIELDS, random) as FieldBlock;
  const body = Buffer.alloc(below(random, 200), 98);
  const sizes = { status: 200, bodyBytes: body.length };
  const head = { index: 1, generation: 2, flags: 0, ...sizes, requestId, block };
  writeResponseHead(producer, head, body);
  const start = producer.payload;
  const isSpoilt = below(random, 2) === 1;
  if (isSpoilt) producer.bytes[start + below(random, 16)] = below(random, 256);
  producer.publish();
  let wrong = 'no record came';
  consumer.drain({
    onRecord: () => {
      wrong = viewsReachTooFar(isSpoilt) ? JSON.stringify(block) : '';
    },
  });
  return wrong;
}

/** A record whose lengths lie is refused by an assertion: its views are not to be had at all. */
function viewsReachTooFar(isSpoilt: boolean): boolean {
  try {
    const parts = [responsePhrase(consumer), responseText(consumer), responseInlineBody(consumer)];
    return parts.reduce((sum, { length }) => sum + length, 16) !== consumer.payloadBytes;
  } catch (error) {
    if (isSpoilt && error instanceof AssertionError) return false;
    throw error;
  }
}

export const FUZZERS = { fuzzGuard, fuzzRequestRecord, fuzzReplyRecord, fuzzRequests } as const;
