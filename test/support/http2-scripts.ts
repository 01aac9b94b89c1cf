/**
 * What clients of HTTP/2 may send, by chance that follows from a seed: requests whose frames are
 * cut, padded and mixed in every way that RFC 9113 allows, and the same with a mistake in it.
 */
import { HpackEncoder } from '../../src/wire/hpack/hpack-encoder.js';
import { CLIENT_PREFACE } from '../../src/wire/http2/frame-kinds.js';
import type { SimRandom } from '../simulation/seeds.js';
import { encodeBlock, type Pair } from './hpack-blocks.js';
import { frame, number32 } from './http2-frames.js';

const END_STREAM = 1;
const END_HEADERS = 4;
const PADDED = 8;
const PRIORITY = 0x20;

/** One connection's worth of frames. */
export interface Script {
  readonly frames: readonly Buffer[];
  /** Streams whose replies must come. */
  readonly answered: readonly number[];
}

export function scriptOf(random: SimRandom): Script {
  return new ScriptWriter(random).write();
}

class ScriptWriter {
  private readonly encoder = new HpackEncoder(4096);
  private readonly frames: Buffer[] = [];
  private readonly open: number[] = [];
  private readonly answered = new Set<number>();
  private last = -1;

  constructor(private readonly random: SimRandom) {}

  write(): Script {
    this.frames.push(frame(4, 0, 0, this.settings()));
    const steps = 3 + this.random.below(20);
    for (let step = 0; step < steps; step++) this.step();
    for (const stream of [...this.open]) this.end(stream);
    return { frames: this.frames, answered: [...this.answered] };
  }

  private settings(): Buffer {
    const { random } = this;
    const known: readonly (readonly [number, number])[] = [
      [1, random.below(8192)],
      [2, 0],
      [3, random.below(1000)],
      [4, 65_535 + random.below(100_000)],
      [5, 16_384 + random.below(100_000)],
      [6, 65_536],
      [0xf0, random.below(1000)],
    ];
    const chosen = known.filter(() => random.chance(0.3));
    return Buffer.concat(
      chosen.map(([id, value]) => Buffer.concat([Buffer.from([0, id]), number32(value)])),
    );
  }

  private step(): void {
    const { random } = this;
    const kind = random.below(12);
    const stream = random.pick([...this.open, 0]);
    if (kind < 3 || this.open.length === 0) this.begin();
    else if (kind < 6 && stream !== 0) this.data(stream, false);
    else if (kind === 6 && stream !== 0) this.end(stream);
    else if (kind === 7 && stream !== 0) this.reset(stream);
    else this.frames.push(this.aside());
  }

  /** A frame that belongs to no message. */
  private aside(): Buffer {
    const { random } = this;
    const stream = random.pick([...this.open, 0]);
    const others = [
      () => frame(6, 0, 0, Buffer.alloc(8, random.below(256))),
      () => frame(4, 0, 0, this.settings()),
      () => frame(8, 0, stream, number32(1 + random.below(10_000))),
      () => frame(2, 0, this.last + 2, Buffer.concat([number32(0), Buffer.from([7])])),
      () =>
        frame(0x20 + random.below(200), random.below(256), stream, Buffer.alloc(random.below(30))),
    ];
    return random.pick(others)();
  }

  private begin(): void {
    const { random } = this;
    this.last += 2 * (1 + random.below(3));
    const stream = this.last;
    const ends = random.chance(0.4);
    const method = ends ? random.pick(['GET', 'HEAD', 'DELETE']) : random.pick(['POST', 'PUT']);
    const pseudo: Pair[] = [
      [':method', method],
      [':scheme', 'http'],
      [':path', `/${stream}?${'q'.repeat(random.below(200))}`],
      [':authority', 'a.example'],
    ];
    const mixed = pseudo.sort(() => random.next() - 0.5);
    this.headers(stream, [...mixed, ...this.fields()], ends);
    this.answered.add(stream);
    if (!ends) this.open.push(stream);
  }

  private fields(): Pair[] {
    const { random } = this;
    const known: (() => Pair)[] = [
      () => ['cookie', `a=${random.below(10)}`],
      () => ['cookie', 'b=2'],
      () => ['te', 'trailers'],
      () => ['accept', '*/*'],
      () => [`x-${random.below(20)}`, 'v'.repeat(random.below(300))],
      () => ['authorization', `Bearer ${random.below(1e6)}`],
      () => ['x-bytes', '\x80\xff é'],
      () => ['x-empty', ''],
    ];
    return known.filter(() => random.chance(0.4)).map((one) => one());
  }

  /** A header block in any number of frames. */
  private headers(stream: number, pairs: readonly Pair[], ends: boolean): void {
    const { random } = this;
    const block = encodeBlock(this.encoder, pairs);
    const cuts = random.chance(0.3) ? 1 + random.below(4) : 0;
    const first = cuts === 0 ? block.length : random.below(block.length + 1);
    const flags = (ends ? END_STREAM : 0) | (cuts === 0 ? END_HEADERS : 0);
    this.frames.push(this.dressed(1, flags, stream, block.subarray(0, first)));
    let at = first;
    for (let cut = cuts; cut > 0; cut--) {
      const end = cut === 1 ? block.length : at + random.below(block.length - at + 1);
      this.frames.push(frame(9, cut === 1 ? END_HEADERS : 0, stream, block.subarray(at, end)));
      at = end;
    }
  }

  /** With padding, and a priority, or without. */
  private dressed(type: number, flags: number, stream: number, payload: Buffer): Buffer {
    const { random } = this;
    const pad = random.chance(0.3) ? random.below(40) : -1;
    const hasPriority = type === 1 && random.chance(0.2);
    const parts = [
      ...(pad === -1 ? [] : [Buffer.from([pad])]),
      ...(hasPriority ? [number32(0), Buffer.from([random.below(256)])] : []),
      payload,
      ...(pad === -1 ? [] : [Buffer.alloc(pad)]),
    ];
    const more = (pad === -1 ? 0 : PADDED) | (hasPriority ? PRIORITY : 0);
    return frame(type, flags | more, stream, Buffer.concat(parts));
  }

  private data(stream: number, ends: boolean): void {
    const bytes = Buffer.alloc(this.random.below(2000), this.random.below(256));
    this.frames.push(this.dressed(0, ends ? END_STREAM : 0, stream, bytes));
  }

  private end(stream: number): void {
    this.open.splice(this.open.indexOf(stream), 1);
    if (this.random.chance(0.3)) this.headers(stream, [['x-trailer', 'y']], true);
    else this.data(stream, true);
  }

  private reset(stream: number): void {
    this.open.splice(this.open.indexOf(stream), 1);
    this.answered.delete(stream);
    this.frames.push(frame(3, 0, stream, number32(this.random.below(20))));
  }
}

/** The same with one mistake: a byte, a frame, or the order of two. */
export function withMistake({ frames }: Script, random: SimRandom): Buffer[] {
  const changed = frames.map((one) => Buffer.from(one));
  const at = random.below(changed.length);
  const one = changed[at] ?? Buffer.alloc(0);
  const kinds = [
    () => one.writeUInt8(random.below(256), 3 + random.below(6)),
    () => one.writeUInt8(one.readUInt8(4) ^ (1 << random.below(8)), 4),
    () => changed.splice(at, 1),
    () => changed.splice(at, 0, one),
    () => changed.splice(random.below(changed.length), 0, ...changed.splice(at, 1)),
    () => changed.splice(at, 1, one.subarray(0, 9 + random.below(one.length - 8))),
    () => {
      if (one.length > 9) one.writeUInt8(random.below(256), 9 + random.below(one.length - 9));
    },
  ];
  random.pick(kinds)();
  return changed;
}

/** Everything that one connection sends, in pieces. */
export function piecesOf(frames: readonly Buffer[], random: SimRandom): Buffer[] {
  const bytes = Buffer.concat([CLIENT_PREFACE, ...frames]);
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + 1 + random.below(random.chance(0.2) ? 5 : 3000));
    pieces.push(bytes.subarray(at, end));
    at = end;
  }
  return pieces;
}
