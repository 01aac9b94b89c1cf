import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteRingConsumer, ByteRingProducer } from '../../../../src/channel/byte-ring.js';
import { WINDOW_UNIT_BYTES } from '../../../../src/channel/lane.js';
import {
  FLAG_END,
  REQUEST_BODY,
  REQUEST_HEAD,
} from '../../../../src/channel/records/record-kind.js';
import {
  BACKLOG_BYTES_MAX,
  connectionFacts,
  decodeRequestHead,
  HEAD_CONNECTION,
  HEAD_FIELDS,
  HEAD_METHOD,
  HEAD_PEER,
  HEAD_TARGET,
  type NewRequest,
  PLAIN_CONNECTION,
  PROTOCOL_HTTP_1_0,
  PROTOCOL_HTTP_1_1,
  PROTOCOL_HTTP_2,
  requestBodyBytes,
  requestExpectsContinue,
  requestHeadNumber,
  requestHeadParts,
  requestListener,
  requestProtocol,
  requestReceivedMs,
  requestReplyWindow,
  requestWantsTunnel,
  secureConnection,
  tryWriteRequestHead,
} from '../../../../src/channel/records/request-head.js';
import { aRingAt } from '../../../support/ring-model.js';

const CAPACITY = 64 * 1024;
const EMPTY = {
  receivedMs: 0,
  bodyBytes: 0,
  protocol: PROTOCOL_HTTP_1_1,
  listener: 0,
  expectsContinue: false,
  wantsTunnel: false,
} as const;

interface Decoded extends NewRequest {
  readonly kind: number;
  readonly flags: number;
  readonly index: number;
  readonly generation: number;
  readonly parts: readonly string[];
}

function roundTrip(index: number, generation: number, request: NewRequest): Decoded[] {
  const memory = aRingAt(CAPACITY, CAPACITY - 40);
  const producer = new ByteRingProducer(memory);
  const consumer = new ByteRingConsumer(memory);
  expect(tryWriteRequestHead(producer, index, generation, request)).toBe(true);
  producer.publish();
  const decoded: Decoded[] = [];
  consumer.drain({
    onRecord: (kind, flags, atIndex, ofGeneration) => {
      const parts = requestHeadParts(consumer);
      decoded.push({
        kind,
        flags,
        index: atIndex,
        generation: ofGeneration,
        receivedMs: requestReceivedMs(consumer),
        bodyBytes: requestBodyBytes(consumer),
        protocol: requestProtocol(consumer),
        listener: requestListener(consumer),
        expectsContinue: requestExpectsContinue(consumer),
        wantsTunnel: requestWantsTunnel(consumer),
        replyWindow: requestReplyWindow(consumer),
        headNumber: requestHeadNumber(consumer),
        text: parts.join('\n'),
        parts,
      });
    },
  });
  return decoded;
}

/** Any latin-1 character but LF. */
const latin1 = fc
  .array(fc.integer({ min: 0, max: 255 }), { maxLength: 200 })
  .map((codes) => String.fromCharCode(...codes.map((code) => (code === 10 ? 32 : code))));

const request = fc.record({
  receivedMs: fc.double({ noNaN: true }),
  bodyBytes: fc.constantFrom(-1, 0, 1, 2 ** 31, Number.MAX_SAFE_INTEGER),
  protocol: fc.constantFrom(PROTOCOL_HTTP_1_0, PROTOCOL_HTTP_1_1, PROTOCOL_HTTP_2),
  listener: fc.nat({ max: 255 }),
  expectsContinue: fc.boolean(),
  wantsTunnel: fc.boolean(),
  replyWindow: fc.integer({ min: 1, max: 32 }).map((units) => units * WINDOW_UNIT_BYTES),
  text: fc
    .array(latin1, { minLength: HEAD_FIELDS, maxLength: 20 })
    .map((parts) => parts.join('\n')),
});

const numbered = fc
  .tuple(request, fc.constantFrom(0, 1, 2 ** 32, Number.MAX_SAFE_INTEGER))
  .map(([fields, headNumber]) => ({ ...fields, headNumber }));

describe('request head', () => {
  it('comes out as it went in', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer(), numbered, (index, generation, fields) => {
        const [decoded, ...more] = roundTrip(index, generation, fields);
        expect(more).toEqual([]);
        const flags = fields.bodyBytes === 0 ? FLAG_END : 0;
        const address = { kind: REQUEST_HEAD, flags, index, generation };
        expect(decoded).toEqual({ ...fields, ...address, parts: fields.text.split('\n') });
      }),
      { numRuns: 200 },
    );
  });

  it('is the same to the acceptor, when no worker will read it any more', () => {
    fc.assert(
      fc.property(request, (fields) => {
        const producer = new ByteRingProducer(aRingAt(CAPACITY, CAPACITY - 40));
        tryWriteRequestHead(producer, 1, 2, fields);
        const found: NewRequest[] = [];
        producer.salvage(({ payload }) => found.push(decodeRequestHead(payload)));
        expect(found).toEqual([fields]);
      }),
      { numRuns: 50 },
    );
  });

  it('names its fixed parts by place', () => {
    const connection = secureConnection('a.test', 'CN=a');
    const text = `GET\n/x?y\n10.0.0.1\n${connection}\nhost\na`;
    const [decoded] = roundTrip(1, 2, { ...EMPTY, text });
    const parts = decoded?.parts ?? [];
    expect(parts[HEAD_METHOD]).toBe('GET');
    expect(parts[HEAD_TARGET]).toBe('/x?y');
    expect(parts[HEAD_PEER]).toBe('10.0.0.1');
    expect(connectionFacts(parts[HEAD_CONNECTION] ?? '')).toEqual({
      scheme: 'https',
      serverName: 'a.test',
      certificate: 'CN=a',
    });
    expect(parts.slice(HEAD_FIELDS)).toEqual(['host', 'a']);
  });

  it('says of a connection without TLS that it had none', () => {
    const facts = { scheme: 'http', serverName: '', certificate: '' };
    expect(connectionFacts(PLAIN_CONNECTION)).toEqual(facts);
    const nameless = { scheme: 'https', serverName: '', certificate: '' };
    expect(connectionFacts(secureConnection('', ''))).toEqual(nameless);
  });

  it('waits behind a full ring, and is refused when too much waits', () => {
    const memory = aRingAt(4 * 1024 * 1024);
    const producer = new ByteRingProducer(memory);
    const head = { ...EMPTY, text: 'x' };
    const chunk = 1024 * 1024 - 16;
    for (let count = 0; count < 5; count++) producer.claim(REQUEST_BODY, 1, 1, chunk);
    expect(tryWriteRequestHead(producer, 0, 0, head)).toBe(true);
    expect(producer.backlogBytes).toBe(chunk + 29);
    while (producer.backlogBytes < BACKLOG_BYTES_MAX) producer.claim(REQUEST_BODY, 1, 1, chunk);
    const before = producer.backlogBytes;
    expect(tryWriteRequestHead(producer, 0, 0, head)).toBe(false);
    expect(producer.backlogBytes).toBe(before);
  });
});
