import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FieldBlock, field, joinFields, NO_FIELDS } from '../../../../src/base/field-block.js';
import { ByteRingConsumer, ByteRingProducer } from '../../../../src/channel/byte-ring.js';
import {
  interimFields,
  interimStatus,
  trailerFields,
  writeInterimHead,
  writeTrailers,
} from '../../../../src/channel/records/field-records.js';
import {
  REQUEST_TRAILERS,
  RESPONSE_INTERIM,
  RESPONSE_TRAILERS,
} from '../../../../src/channel/records/record-kind.js';
import { aRingAt } from '../../../support/ring-model.js';

const CAPACITY = 64 * 1024;
const ID = { index: 7, generation: -3 };

const fields: fc.Arbitrary<FieldBlock> = fc
  .array(fc.tuple(fc.constantFrom('grpc-status', 'X-\xe9'), fc.string({ unit: 'binary-ascii' })))
  .map((list) => list.map(([name, value]) => field(name, value)).reduce(joinFields, NO_FIELDS));

/** What the other end reads of the one record that `write` has written. */
function readBack<T>(
  write: (ring: ByteRingProducer) => void,
  read: (ring: ByteRingConsumer) => T,
): unknown {
  const memory = aRingAt(CAPACITY, CAPACITY - 24);
  const producer = new ByteRingProducer(memory);
  const consumer = new ByteRingConsumer(memory);
  write(producer);
  producer.publish();
  const found: unknown[] = [];
  consumer.drain({
    onRecord: (kind, flags, index, generation) =>
      found.push({ kind, flags, index, generation, ...read(consumer) }),
  });
  return found;
}

describe('trailers', () => {
  it.each([REQUEST_TRAILERS, RESPONSE_TRAILERS] as const)('of kind %d come through', (kind) => {
    fc.assert(
      fc.property(fields, (block) => {
        const found = readBack(
          (ring) => writeTrailers(ring, kind, ID, block),
          (ring) => ({ block: trailerFields(ring) }),
        );
        expect(found).toEqual([{ kind, flags: 0, ...ID, block }]);
      }),
    );
  });
});

describe('an interim head', () => {
  it('comes through with its status', () => {
    fc.assert(
      fc.property(fc.constantFrom(100, 102, 103, 199), fields, (status, block) => {
        const found = readBack(
          (ring) => writeInterimHead(ring, ID, status, block),
          (ring) => ({ status: interimStatus(ring), block: interimFields(ring) }),
        );
        expect(found).toEqual([{ kind: RESPONSE_INTERIM, flags: 0, ...ID, status, block }]);
      }),
    );
  });

  it.each([99, 101, 200])('has no status %d', (status) => {
    const producer = new ByteRingProducer(aRingAt(CAPACITY));
    expect(() => writeInterimHead(producer, ID, status, NO_FIELDS)).toThrow('interim status');
  });
});
