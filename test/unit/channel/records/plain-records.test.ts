import { expect, it } from 'vitest';
import { ByteRingConsumer, ByteRingProducer } from '../../../../src/channel/byte-ring.js';
import { flagsOf, kindOf, kindWithFlags } from '../../../../src/channel/record-header.js';
import {
  FLAG_CUT,
  FLAG_END,
  REQUEST_ABORT,
  REQUEST_BODY,
  RESPONSE_BLOCK,
  TUNNEL_DOWN,
  TUNNEL_END,
  TUNNEL_UP,
  WINDOW,
  writeBare,
  writeBody,
  writeBodyPosition,
  writeWindow,
} from '../../../../src/channel/records/record-kind.js';
import { aRingAt } from '../../../support/ring-model.js';

const BYTES = Uint8Array.of(0, 10, 13, 255);

it('each record without fields of its own comes out as it went in', () => {
  const memory = aRingAt(4096, 4096 - 64);
  const ring = new ByteRingProducer(memory);
  const consumer = new ByteRingConsumer(memory);
  writeBody(ring, kindWithFlags(REQUEST_BODY, FLAG_END), 1, 2, BYTES);
  writeBare(ring, kindWithFlags(REQUEST_ABORT, FLAG_CUT), 3, 4);
  writeWindow(ring, 5, 6, 131_072);
  const piece = new Uint8Array(new ArrayBuffer(64), 16, 32);
  writeBodyPosition(ring, FLAG_END, 7, 8, piece);
  writeBody(ring, TUNNEL_UP, 9, 10, BYTES);
  writeBody(ring, TUNNEL_DOWN, 11, 12, BYTES.subarray(0, 1));
  writeBare(ring, TUNNEL_END, 13, 14);
  ring.publish();
  const found: unknown[] = [];
  consumer.drain({
    onRecord: (kind, flags, index, generation) => {
      const { payload, payloadBytes, sharedBytes } = consumer;
      const bytes = [...sharedBytes.subarray(payload, payload + payloadBytes)];
      const ints = kind === WINDOW || kind === RESPONSE_BLOCK;
      const content = ints ? [consumer.int(0), consumer.int(4)] : bytes;
      found.push([kind, flags, index, generation, ...content]);
    },
  });
  expect(found).toEqual([
    [REQUEST_BODY, FLAG_END, 1, 2, ...BYTES],
    [REQUEST_ABORT, FLAG_CUT, 3, 4],
    [WINDOW, 0, 5, 6, 131_072, 0],
    [RESPONSE_BLOCK, FLAG_END, 7, 8, 16, 32],
    [TUNNEL_UP, 0, 9, 10, ...BYTES],
    [TUNNEL_DOWN, 0, 11, 12, 0],
    [TUNNEL_END, 0, 13, 14],
  ]);
});

it('kind and flags share a word and do not touch each other', () => {
  for (const kind of [1, 16, 255]) {
    for (const flags of [0, 1, 0xffff]) {
      const word = kindWithFlags(kind, flags);
      expect([kindOf(word), flagsOf(word)]).toEqual([kind, flags]);
    }
  }
});
