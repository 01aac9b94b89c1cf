import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FieldBlock, field, fieldsOfBytes } from '../../../../src/base/field-block.js';
import { ByteRingConsumer, ByteRingProducer } from '../../../../src/channel/byte-ring.js';
import {
  FLAG_BODILESS,
  FLAG_END,
  RESPONSE_HEAD,
} from '../../../../src/channel/records/record-kind.js';
import {
  type ResponseHeadFields,
  responseBodyBytes,
  responseIdBytes,
  responseInlineBody,
  responsePhrase,
  responseStatus,
  responseText,
  writeResponseHead,
} from '../../../../src/channel/records/response-head.js';
import { aRingAt } from '../../../support/ring-model.js';

const CAPACITY = 64 * 1024;

interface Decoded extends ResponseHeadFields {
  readonly kind: number;
  readonly body: Buffer;
}

function decode(consumer: ByteRingConsumer): Decoded[] {
  const decoded: Decoded[] = [];
  consumer.drain({
    onRecord: (kind, flags, index, generation) => {
      const idBytes = responseIdBytes(consumer);
      const text = Buffer.from(responseText(consumer));
      decoded.push({
        kind,
        flags,
        index,
        generation,
        status: responseStatus(consumer),
        phrase: responsePhrase(consumer),
        bodyBytes: responseBodyBytes(consumer),
        requestId: text.toString('latin1', 0, idBytes),
        block: fieldsOfBytes(text.subarray(idBytes)),
        body: Buffer.from(responseInlineBody(consumer)),
      });
    },
  });
  return decoded;
}

const head: fc.Arbitrary<ResponseHeadFields> = fc.record({
  index: fc.nat(),
  generation: fc.integer(),
  flags: fc.constantFrom(0, FLAG_END, FLAG_BODILESS | FLAG_END),
  status: fc.integer({ min: 200, max: 999 }),
  phrase: fc.string({ maxLength: 63, unit: fc.constantFrom(...'aZ 09-\u00ff') }),
  bodyBytes: fc.constantFrom(-1, 0, 5, 2 ** 40),
  requestId: fc.string({ maxLength: 128, unit: fc.constantFrom(...'aZ09-_.:/+=') }),
  block: fc
    .array(fc.integer({ min: 1, max: 255 }), { maxLength: 300 })
    .map((codes) => String.fromCharCode(...codes) as FieldBlock),
});

describe('response head', () => {
  it('comes out as it went in, with the part of the body that came along', () => {
    fc.assert(
      fc.property(head, fc.option(fc.uint8Array({ maxLength: 4000 })), (fields, body) => {
        const memory = aRingAt(CAPACITY, -40);
        const producer = new ByteRingProducer(memory);
        writeResponseHead(producer, fields, body);
        producer.publish();
        const [decoded, ...more] = decode(new ByteRingConsumer(memory));
        expect(more).toEqual([]);
        expect(decoded).toEqual({
          ...fields,
          kind: RESPONSE_HEAD,
          body: Buffer.from(body ?? new Uint8Array(0)),
        });
      }),
      { numRuns: 200 },
    );
  });

  it('is the same when it had to wait for space', () => {
    const memory = aRingAt(1024);
    const producer = new ByteRingProducer(memory);
    const consumer = new ByteRingConsumer(memory);
    const body = Buffer.from('0123456789');
    const fields = { index: 7, generation: 8, flags: FLAG_END, status: 200, bodyBytes: 10 };
    const block = field('X-Long', 'b'.repeat(200));
    for (let count = 0; count < 6; count++) {
      writeResponseHead(producer, { ...fields, requestId: String(count), block }, body);
    }
    const decoded: Decoded[] = [];
    for (let round = 0; round < 3; round++) {
      producer.publish();
      decoded.push(...decode(consumer));
    }
    expect(decoded.map((record) => record.requestId).join('')).toBe('012345');
    expect(decoded.every((record) => record.body.equals(body))).toBe(true);
  });
});
