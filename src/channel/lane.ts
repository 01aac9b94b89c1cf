/**
 * The road between the acceptor and one worker: two byte rings, status words, blocks for long
 * bodies, and a doorbell.
 *
 * Thread: any (both ends). Owns nothing but its end of the two rings.
 *
 *     acceptor ── REQUEST_* ──► requests ring ──► worker
 *     acceptor ◄─ replies ring ◄── RESPONSE_* ── worker
 *
 * The doorbell is a MessagePort: it is used only when the other end has parked, or waits for
 * space, and it tells nothing but "look at your rings".
 */
import { assert } from '../base/assert.js';
import { BODY_BLOCKS_BYTES, BODY_HOLDERS_BYTES, BodyBlocks } from './body-blocks.js';
import {
  ByteRingConsumer,
  ByteRingProducer,
  byteRingBytes,
  type RecordHandler,
  RING_CONTROL_BYTES,
} from './byte-ring.js';
import { LANE_STATUS_BYTES, LaneStatus } from './lane-status.js';
import type { Port } from './port.js';
import { checkProtocolVersion, PROTOCOL_VERSION } from './protocol-version.js';

/**
 * Bytes of each ring, unless the caller says otherwise. A record that finds the ring full is copied
 * twice, through memory that has to be collected: with rings of 1 MiB a reply of 64 KiB to 64
 * clients cost half as much again.
 */
export const LANE_RING_BYTES = 1 << 22;

/** Bytes that either side may send for one exchange before the other gives window back. */
export const WINDOW_BYTES = 512 * 1024;

/** A window of a reply that is not WINDOW_BYTES is a multiple of this. */
export const WINDOW_UNIT_BYTES = 16 * 1024;

/** The receiver gives window back after it has used this many bytes, or a quarter of the window. */
export const WINDOW_CREDIT_BYTES = 128 * 1024;

/** The largest piece of a body in one record. */
export const BODY_RECORD_BYTES_MAX = 128 * 1024;

/**
 * Turns without work before an end sleeps. Measured: one turn avoids most wakes and costs hardly
 * any CPU.
 */
const EMPTY_TURNS_MAX = 1;

/**
 * With this number of exchanges in flight, or fewer, another turn would find nothing: the end
 * sleeps at once.
 */
export const QUIET_EXCHANGES_MAX = 1;

/** Whether an end that has found nothing in its last `emptyTurns` turns should sleep. */
export function shouldSleep(emptyTurns: number, inFlight: number): boolean {
  return inFlight <= QUIET_EXCHANGES_MAX || emptyTurns > EMPTY_TURNS_MAX;
}

export interface LaneMemory {
  readonly buffer: SharedArrayBuffer;
  readonly ringBytes: number;
  /** Number of the incarnation that has the memory: an end that comes too late does not get in. */
  readonly generation: number;
}

/** Fresh memory for one incarnation of a lane: zeroes, but for what marks it. */
export function allocateLane(ringBytes: number = LANE_RING_BYTES, generation = 1): LaneMemory {
  const bytes = 2 * byteRingBytes(ringBytes) + LANE_STATUS_BYTES + BODY_BLOCKS_BYTES;
  return markLane({ buffer: new SharedArrayBuffer(bytes), ringBytes, generation });
}

/**
 * The memory for another incarnation, as if it were fresh. Only for who knows that neither end
 * reads or writes it any more, and only once: what was given in is void.
 */
export function reuseLane({ buffer, ringBytes }: LaneMemory, generation: number): LaneMemory {
  const status = 2 * byteRingBytes(ringBytes);
  clear(buffer, 0, RING_CONTROL_BYTES);
  clear(buffer, byteRingBytes(ringBytes), RING_CONTROL_BYTES);
  clear(buffer, status, LANE_STATUS_BYTES + BODY_HOLDERS_BYTES);
  return markLane({ buffer, ringBytes, generation });
}

function clear(buffer: SharedArrayBuffer, offset: number, bytes: number): void {
  new Uint8Array(buffer, offset, bytes).fill(0);
}

function markLane(memory: LaneMemory): LaneMemory {
  const status = laneStatusOf(memory);
  status.setProtocolVersion(PROTOCOL_VERSION);
  status.setGeneration(memory.generation);
  return memory;
}

/** The status words follow the rings. */
export function laneStatusOf({ buffer, ringBytes }: LaneMemory): LaneStatus {
  return new LaneStatus(buffer, 2 * byteRingBytes(ringBytes));
}

/** The blocks follow the status words. */
function bodyBlocksOf({ buffer, ringBytes }: LaneMemory): BodyBlocks {
  return new BodyBlocks(buffer, 2 * byteRingBytes(ringBytes) + LANE_STATUS_BYTES);
}

/** The two ends of a lane. */
export type LaneSide = 'acceptor' | 'worker';

type Doorbell = Pick<Port, 'postMessage'>;

interface LaneParts {
  readonly producer: ByteRingProducer;
  readonly consumer: ByteRingConsumer;
  readonly status: LaneStatus;
  readonly blocks: BodyBlocks;
}

function partsOf(memory: LaneMemory, side: LaneSide): LaneParts {
  const { buffer, ringBytes } = memory;
  const requests = { buffer, offset: 0, capacity: ringBytes };
  const replies = { buffer, offset: byteRingBytes(ringBytes), capacity: ringBytes };
  const status = laneStatusOf(memory);
  checkProtocolVersion(status.protocolVersion);
  assert(status.generation === memory.generation, 'nobody else has this memory by now');
  return {
    producer: new ByteRingProducer(side === 'acceptor' ? requests : replies),
    consumer: new ByteRingConsumer(side === 'acceptor' ? replies : requests),
    status,
    blocks: bodyBlocksOf(memory),
  };
}

/** Who lends blocks, which are others when the lane gets other memory, and takes them back. */
export type BlockLender = Pick<LaneEnd, 'blocks' | 'giveBack'>;

/** One end of a lane. Look its parts up each time: the lane may get other memory. */
export class LaneEnd {
  private parts: LaneParts;
  /** Of earlier memory, while somebody may read into one. */
  private readonly earlier = new Map<BodyBlocks, () => void>();

  /** @throws Error when the lane was allocated for another version of its records. */
  constructor(
    memory: LaneMemory,
    private readonly side: LaneSide,
    private doorbell: Doorbell,
  ) {
    this.parts = partsOf(memory, side);
  }

  /**
   * Goes on in this memory. What was written to the old memory and not read is lost. `onLeft` is
   * called once this end neither reads nor writes the old memory any more.
   */
  renew(memory: LaneMemory, doorbell: Doorbell, onLeft: () => void): void {
    const { blocks } = this.parts;
    this.parts = partsOf(memory, this.side);
    this.doorbell = doorbell;
    if (blocks.lentCount === 0) onLeft();
    else this.earlier.set(blocks, onLeft);
  }

  /** Worker: ends the loan of a block, which may be one of earlier memory. */
  giveBack(block: Buffer): void {
    if (this.parts.blocks.giveBack(block)) return;
    for (const [blocks, onLeft] of this.earlier) {
      if (!blocks.giveBack(block)) continue;
      if (blocks.lentCount > 0) return;
      this.earlier.delete(blocks);
      onLeft();
      return;
    }
  }

  get producer(): ByteRingProducer {
    return this.parts.producer;
  }

  get consumer(): ByteRingConsumer {
    return this.parts.consumer;
  }

  get status(): LaneStatus {
    return this.parts.status;
  }

  get blocks(): BodyBlocks {
    return this.parts.blocks;
  }

  /** Makes the written records visible. True: the other end slept, and the call has woken it. */
  publish(): boolean {
    if (!this.producer.publish()) return false;
    this.doorbell.postMessage(0);
    return true;
  }

  /** Reads all records that have come in, and returns their number. */
  drain(handler: RecordHandler): number {
    try {
      return this.consumer.drain(handler);
    } finally {
      if (this.consumer.takeStarved()) this.doorbell.postMessage(0);
    }
  }
}
