/**
 * RESPONSE_HOLDS: the reply that follows is a refusal that holds for some time. REQUEST_REPEATS:
 * the acceptor has given such a reply again, to the same heads, and the worker is to count that.
 *
 * Thread: any (both ends).
 *
 *     RESPONSE_HOLDS                              REQUEST_REPEATS
 *     +0   double  number of the head             +0   int     how many
 *     +8   double  until when, monotonic ms       +4   int     bytes of the prefix of request ids
 *     +16  int     round of the refusals          +8   each: double number of the head
 *     +20  int     1: the id of the request is              double ms until the reply was sent
 *                  a new one for each                       double number of the request id;
 *     +24  int     row of the route                                NO_ID_NUMBER: the client's
 *     +28  int     bytes of its name              …    latin1  prefix of request ids
 *     +32  utf-8   its name, then the address
 *                  of the client
 *
 * A reply holds for the head that has this number, so for one connection. It holds until its time
 * is over or the worker goes on to another round (lane-status.ts), whichever comes first. Repeats
 * of a head are in the ring before a later head of any connection.
 */
import type { ByteRingConsumer, ByteRingProducer } from '../byte-ring.js';
import { REQUEST_REPEATS, RESPONSE_HOLDS } from './record-kind.js';

/** The request has the id that its client has given it. */
export const NO_ID_NUMBER = -1;

/** Repeats of one record. */
export const REPEATS_MAX = 64;
const REPEAT_DOUBLES = 3;
const REPEATS_OFFSET = 8;
const HOLD_BYTES = 32;

/** For whom, and how long, a refusal holds. */
export interface RefusalHold {
  readonly headNumber: number;
  /** On the monotonic clock; the reply may be given again before it, not at it. */
  readonly untilMs: number;
  readonly round: number;
  readonly hasNewId: boolean;
  readonly route: HeldRoute;
  /** As the worker knows it, behind proxies or not. */
  readonly clientIp: string;
}

/** The route that has refused. */
export interface HeldRoute {
  readonly index: number;
  readonly name: string;
}

/** One reply that the acceptor has given again. */
export interface Repeat {
  readonly headNumber: number;
  readonly durationMs: number;
  readonly idNumber: number;
}

export function writeHold(
  ring: ByteRingProducer,
  index: number,
  generation: number,
  { headNumber, untilMs, round, hasNewId, route, clientIp }: RefusalHold,
): void {
  const nameBytes = Buffer.byteLength(route.name);
  const ipBytes = clientIp.length;
  ring.claim(RESPONSE_HOLDS, index, generation, HOLD_BYTES + nameBytes + ipBytes);
  const { payload, floats, ints, bytes } = ring;
  floats[payload >> 3] = headNumber;
  floats[(payload >> 3) + 1] = untilMs;
  ints[(payload >> 2) + 4] = round;
  ints[(payload >> 2) + 5] = hasNewId ? 1 : 0;
  ints[(payload >> 2) + 6] = route.index;
  ints[(payload >> 2) + 7] = nameBytes;
  bytes.write(route.name, payload + HOLD_BYTES, nameBytes, 'utf8');
  bytes.write(clientIp, payload + HOLD_BYTES + nameBytes, ipBytes, 'latin1');
}

export function readHold(ring: ByteRingConsumer): RefusalHold {
  const { sharedBytes, payload, payloadBytes } = ring;
  const nameStart = payload + HOLD_BYTES;
  const nameEnd = nameStart + ring.int(28);
  return {
    headNumber: ring.float(0),
    untilMs: ring.float(8),
    round: ring.int(16),
    hasNewId: ring.int(20) === 1,
    route: { index: ring.int(24), name: sharedBytes.toString('utf8', nameStart, nameEnd) },
    clientIp: sharedBytes.toString('latin1', nameEnd, payload + payloadBytes),
  };
}

/** Repeats that nobody was told of yet. */
export class RepeatBatch {
  count = 0;
  private readonly doubles = new Float64Array(REPEATS_MAX * REPEAT_DOUBLES);

  get isFull(): boolean {
    return this.count === REPEATS_MAX;
  }

  // Hot path (bench/gateway/refused-by-limit): once for every repeat. The batch is not full.
  add(headNumber: number, durationMs: number, idNumber: number): void {
    const { doubles } = this;
    const at = this.count * REPEAT_DOUBLES;
    doubles[at] = headNumber;
    doubles[at + 1] = durationMs;
    doubles[at + 2] = idNumber;
    this.count += 1;
  }

  /** Writes one record of all, and is empty then. `idPrefix`: of the source of their ids. */
  writeTo(ring: ByteRingProducer, idPrefix: string): void {
    const { count, doubles } = this;
    const used = count * REPEAT_DOUBLES;
    const bytes = REPEATS_OFFSET + used * 8;
    ring.claim(REQUEST_REPEATS, NOBODY, 0, bytes + idPrefix.length);
    const { payload } = ring;
    ring.ints[payload >> 2] = count;
    ring.ints[(payload >> 2) + 1] = idPrefix.length;
    ring.floats.set(doubles.subarray(0, used), (payload + REPEATS_OFFSET) >> 3);
    ring.bytes.write(idPrefix, payload + bytes, idPrefix.length, 'latin1');
    this.count = 0;
  }

  /** Calls `visit` for each, and is empty then. */
  drain(visit: (repeat: Repeat) => void): void {
    const { count, doubles } = this;
    this.count = 0;
    for (let at = 0; at < count * REPEAT_DOUBLES; at += REPEAT_DOUBLES) {
      const [headNumber = 0, durationMs = 0, idNumber = 0] = doubles.subarray(at);
      visit({ headNumber, durationMs, idNumber });
    }
  }
}

/** The record is of no exchange. */
const NOBODY = -1;

export function repeatCount(ring: ByteRingConsumer): number {
  return ring.int(0);
}

/** Of the repeats of this record; '' where none of their requests has a new id. */
export function repeatIdPrefix(ring: ByteRingConsumer): string {
  const start = ring.payload + ring.payloadBytes - ring.int(4);
  return ring.sharedBytes.toString('latin1', start, ring.payload + ring.payloadBytes);
}

export function repeatHeadNumber(ring: ByteRingConsumer, place: number): number {
  return ring.float(offsetOf(place));
}

export function repeatDurationMs(ring: ByteRingConsumer, place: number): number {
  return ring.float(offsetOf(place) + 8);
}

export function repeatIdNumber(ring: ByteRingConsumer, place: number): number {
  return ring.float(offsetOf(place) + 16);
}

function offsetOf(place: number): number {
  return REPEATS_OFFSET + place * REPEAT_DOUBLES * 8;
}

/** Reads the payload of a record that no worker will read any more. */
export function decodeRepeats(payload: Buffer, visit: (repeat: Repeat) => void): void {
  const count = payload.readInt32LE(0);
  for (let place = 0; place < count; place += 1) {
    const at = offsetOf(place);
    visit({
      headNumber: payload.readDoubleLE(at),
      durationMs: payload.readDoubleLE(at + 8),
      idNumber: payload.readDoubleLE(at + 16),
    });
  }
}
