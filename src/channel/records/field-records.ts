/**
 * Records that hold fields and little else: trailers both ways, and interim heads of a reply.
 *
 * Thread: any (both ends). Field blocks are those of base/field-block.ts, in latin-1.
 *
 *     REQUEST_TRAILERS, RESPONSE_TRAILERS: the body is complete, and these fields follow it
 *     +0  latin1  field block
 *
 *     RESPONSE_INTERIM: a head before the one of the reply, any number of times
 *     +0  int     status, 100 to 199 but for 101
 *     +4  latin1  field block
 */
import { assert } from '../../base/assert.js';
import { type FieldBlock, fieldsOfBytes } from '../../base/field-block.js';
import type { ByteRingConsumer, ByteRingProducer } from '../byte-ring.js';
import { type REQUEST_TRAILERS, RESPONSE_INTERIM, type RESPONSE_TRAILERS } from './record-kind.js';

const INTERIM_BLOCK_OFFSET = 4;

/** Writes the end of a body that has trailers. */
export function writeTrailers(
  ring: ByteRingProducer,
  kind: typeof REQUEST_TRAILERS | typeof RESPONSE_TRAILERS,
  { index, generation }: ExchangeId,
  fields: FieldBlock,
): void {
  ring.claim(kind, index, generation, fields.length);
  ring.bytes.write(fields, ring.payload, fields.length, 'latin1');
}

/** The index and generation under which the in-flight table knows an exchange. */
export interface ExchangeId {
  readonly index: number;
  readonly generation: number;
}

export function trailerFields({
  sharedBytes,
  payload,
  payloadBytes,
}: ByteRingConsumer): FieldBlock {
  return fieldsOfBytes(sharedBytes.subarray(payload, payload + payloadBytes));
}

/** The interim status that lets a client send its body which waits for that. */
export const CONTINUE = 100;

/** Writes a 1xx head. Its reply's own head follows later, or another one like it. */
export function writeInterimHead(
  ring: ByteRingProducer,
  { index, generation }: ExchangeId,
  status: number,
  fields: FieldBlock,
): void {
  assert(status >= 100 && status < 200 && status !== 101, 'an interim head has an interim status');
  ring.claim(RESPONSE_INTERIM, index, generation, INTERIM_BLOCK_OFFSET + fields.length);
  ring.ints[ring.payload >> 2] = status;
  ring.bytes.write(fields, ring.payload + INTERIM_BLOCK_OFFSET, fields.length, 'latin1');
}

export function interimStatus(ring: ByteRingConsumer): number {
  return ring.int(0);
}

export function interimFields({
  sharedBytes,
  payload,
  payloadBytes,
}: ByteRingConsumer): FieldBlock {
  return fieldsOfBytes(
    sharedBytes.subarray(payload + INTERIM_BLOCK_OFFSET, payload + payloadBytes),
  );
}
