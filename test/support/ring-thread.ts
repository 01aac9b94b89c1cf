/**
 * One end of a lane on a thread of its own: writes or checks records as fast as it is told to.
 *
 * Both ends know the sequence of random numbers, so the reader can say of every record what it
 * must be. Run it from the build: dist/test/support/ring-thread.js.
 */
import { isMainThread, type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { LaneEnd, type LaneMemory } from '../../src/channel/lane.js';

/** How an end spends its time. */
export interface Pace {
  /** Records in one burst, then the event loop turns. */
  readonly burst: number;
  /** Rounds of arithmetic after each burst. */
  readonly work: number;
}

export interface RingThreadData {
  readonly role: 'writer' | 'reader';
  readonly memory: LaneMemory;
  readonly port: MessagePort;
  readonly count: number;
  readonly payloadBytesMax: number;
  readonly seed: number;
  readonly pace: Pace;
  /** Records are queued without looking until this many bytes wait. */
  readonly backlogBytesMax: number;
}

export interface RingThreadReport {
  readonly records: number;
  readonly bytes: number;
  /** Doorbells that came. */
  readonly wakes: number;
  readonly parks: number;
  /** Times that the ring was full. */
  readonly waits: number;
  readonly mistake: string;
}

const CHECK_BYTES = 4;

/** Xorshift: the same numbers on both sides. */
class Sequence {
  constructor(private state: number) {}

  next(): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x;
    return x >>> 0;
  }

  /** Mostly small, as heads are; some large; some at the edges. */
  size(max: number): number {
    const roll = this.next();
    if (roll % 64 === 0) return max;
    if (roll % 16 === 1) return CHECK_BYTES + (this.next() % (max - CHECK_BYTES));
    return CHECK_BYTES + (roll % 200);
  }
}

/** FNV-1a over the payload behind the check word. */
function checkOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < end; at++) {
    hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  }
  return hash | 0;
}

function idle(rounds: number): number {
  let sum = 0;
  for (let round = 0; round < rounds; round++) sum = (sum + Math.imul(round, sum | 1)) | 0;
  return sum;
}

abstract class RingThread {
  protected done = 0;
  protected bytes = 0;
  protected wakes = 0;
  protected parks = 0;
  protected waits = 0;
  protected readonly sequence: Sequence;
  protected readonly end: LaneEnd;

  constructor(
    protected readonly data: RingThreadData,
    side: 'acceptor' | 'worker',
  ) {
    this.sequence = new Sequence(data.seed);
    this.end = new LaneEnd(data.memory, side, data.port);
    data.port.on('message', () => {
      this.wakes++;
      this.onDoorbell();
    });
  }

  abstract onDoorbell(): void;

  protected report(mistake = ''): void {
    const { done: records, bytes, wakes, parks, waits } = this;
    const report: RingThreadReport = { records, bytes, wakes, parks, waits, mistake };
    parentPort?.postMessage(report);
    this.data.port.close();
  }
}

/** Stops when the ring is full, and goes on only when the reader rings. */
class Writer extends RingThread {
  private isWaiting = false;

  onDoorbell(): void {
    this.end.publish();
    if (!this.isWaiting || this.isBehind()) return;
    this.isWaiting = false;
    this.turn();
  }

  turn(): void {
    const { count, pace } = this.data;
    for (let burst = 0; burst < pace.burst && this.done < count && !this.isBehind(); burst++) {
      this.write();
    }
    this.end.publish();
    idle(pace.work);
    if (this.done < count && !this.isBehind()) {
      setImmediate(() => this.turn());
      return;
    }
    if (this.end.producer.backlogBytes === 0) {
      if (this.done === count) this.report();
      else setImmediate(() => this.turn());
      return;
    }
    this.waits++;
    this.isWaiting = true;
  }

  private isBehind(): boolean {
    const { backlogBytesMax, count } = this.data;
    const backlog = this.end.producer.backlogBytes;
    return this.done === count ? backlog > 0 : backlog > backlogBytesMax;
  }

  private write(): void {
    const size = this.sequence.size(this.data.payloadBytesMax);
    const { producer } = this.end;
    const kind = 1 + (this.done % 31);
    producer.claim(kind, this.done, ~this.done, size);
    const start = producer.payload;
    const fill = this.sequence.next() & 0xff;
    for (let at = CHECK_BYTES; at < size; at++) producer.bytes[start + at] = (fill + at) & 0xff;
    producer.ints[start >> 2] = checkOf(producer.bytes, start + CHECK_BYTES, start + size);
    this.done++;
    this.bytes += size;
  }
}

/** Reads what is there; sleeps until the writer rings when there is nothing. */
class Reader extends RingThread {
  onDoorbell(): void {
    this.turn();
  }

  onRecord(kind: number, flags: number, index: number, generation: number): void {
    const { consumer } = this.end;
    const size = this.sequence.size(this.data.payloadBytesMax);
    this.sequence.next();
    const { payload: start, payloadBytes, sharedBytes } = consumer;
    const isRight =
      kind === 1 + (this.done % 31) &&
      flags === 0 &&
      index === this.done &&
      generation === ~this.done &&
      payloadBytes === size &&
      checkOf(sharedBytes, start + CHECK_BYTES, start + size) === consumer.int(0);
    if (!isRight) throw new Error(`record ${this.done} is not what was written`);
    this.done++;
    this.bytes += size;
  }

  turn(): void {
    this.end.consumer.unpark();
    let count = 0;
    try {
      count = this.end.drain(this);
    } catch (error) {
      this.report(String(error));
      return;
    }
    idle(this.data.pace.work);
    if (this.done === this.data.count) {
      this.report();
      return;
    }
    if (count > 0 || !this.end.consumer.park()) setImmediate(() => this.turn());
    else this.parks++;
  }
}

if (!isMainThread && workerData !== null) {
  const data = workerData as RingThreadData;
  if (data.role === 'writer') new Writer(data, 'acceptor').turn();
  else new Reader(data, 'worker').turn();
}
