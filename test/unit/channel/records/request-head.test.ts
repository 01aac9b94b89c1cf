import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteRingConsumer, ByteRingProducer } from '../../../../src/channel/byte-ring.js';
import {
  FLAG_END,
  REQUEST_BODY,
  REQUEST_HEAD,
} from '../../../../src/channel/records/record-kind.js';
import {
  BACKLOG_BYTES_MAX,
  HEAD_FIELDS,
  HEAD_METHOD,
  HEAD_PEER,
  HEAD_SCHEME,
  HEAD_TARGET,
  type RequestHeadFields,
  requestBodyBytes,
  requestHeadParts,
  requestReceivedMs,
  tryWriteRequestHead,
} from '../../../../src/channel/records/request-head.js';
import { aRingAt } from '../../../support/ring-model.js';

const CAPACITY = 64 * 1024;

interface Decoded extends RequestHeadFields {
  readonly kind: number;
  readonly parts: readonly string[];
}

function roundTrip(head: RequestHeadFields): Decoded[] {
  const memory = aRingAt(CAPACITY, CAPACITY - 40);
  const producer = new ByteRingProducer(memory);
  const consumer = new ByteRingConsumer(memory);
  expect(tryWriteRequestHead(producer, head)).toBe(true);
  producer.publish();
  const decoded: Decoded[] = [];
  consumer.drain({
    onRecord: (kind, flags, index, generation) => {
      const parts = requestHeadParts(consumer);
      decoded.push({
        kind,
        flags,
        index,
        generation,
        receivedMs: requestReceivedMs(consumer),
        bodyBytes: requestBodyBytes(consumer),
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

describe('request head', () => {
  it('comes out as it went in', () => {
    fc.assert(
      fc.property(
        fc.record({
          index: fc.nat(),
          generation: fc.integer(),
          flags: fc.constantFrom(0, FLAG_END),
          receivedMs: fc.double({ noNaN: true }),
          bodyBytes: fc.constantFrom(-1, 0, 1, 2 ** 31, Number.MAX_SAFE_INTEGER),
        }),
        fc.array(latin1, { minLength: 4, maxLength: 20 }),
        (fields, parts) => {
          const [decoded, ...more] = roundTrip({ ...fields, text: parts.join('\n') });
          expect(more).toEqual([]);
          expect(decoded).toMatchObject({ ...fields, kind: REQUEST_HEAD });
          expect(decoded?.parts).toEqual(parts);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('names its fixed parts by place', () => {
    const text = 'GET\n/x?y\n10.0.0.1\nhttp\nhost\na';
    const [decoded] = roundTrip({
      index: 1,
      generation: 2,
      flags: 0,
      receivedMs: 3,
      bodyBytes: 0,
      text,
    });
    const parts = decoded?.parts ?? [];
    expect(parts[HEAD_METHOD]).toBe('GET');
    expect(parts[HEAD_TARGET]).toBe('/x?y');
    expect(parts[HEAD_PEER]).toBe('10.0.0.1');
    expect(parts[HEAD_SCHEME]).toBe('http');
    expect(parts.slice(HEAD_FIELDS)).toEqual(['host', 'a']);
  });

  it('waits behind a full ring, and is refused when too much waits', () => {
    const memory = aRingAt(4 * 1024 * 1024);
    const producer = new ByteRingProducer(memory);
    const head = { index: 0, generation: 0, flags: 0, receivedMs: 0, bodyBytes: 0, text: 'x' };
    const chunk = 1024 * 1024 - 16;
    for (let count = 0; count < 5; count++) producer.claim(REQUEST_BODY, 1, 1, chunk);
    expect(tryWriteRequestHead(producer, head)).toBe(true);
    expect(producer.backlogBytes).toBe(chunk + 17);
    while (producer.backlogBytes < BACKLOG_BYTES_MAX) producer.claim(REQUEST_BODY, 1, 1, chunk);
    const before = producer.backlogBytes;
    expect(tryWriteRequestHead(producer, head)).toBe(false);
    expect(producer.backlogBytes).toBe(before);
  });
});
