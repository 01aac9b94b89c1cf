/**
 * A serial for each upstream that moves whenever one of its targets may be used again.
 *
 * Thread: any (both ends). The coordinator writes; workers read it before they use a turn given in
 * advance, which carries the serial it was given under. So a target that recovers has its part at
 * once, and not when the turns of the time before have run out.
 *
 *     one int32 an upstream, wrapping
 */
const WORD_BYTES = 4;

export function allocateUpstreamStandings(upstreamCount: number): SharedArrayBuffer {
  return new SharedArrayBuffer(Math.max(1, upstreamCount) * WORD_BYTES);
}

export class UpstreamStandings {
  private readonly words: Int32Array;

  constructor(buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer);
  }

  /** Hot path: read before every granted turn. */
  serialOf(upstreamIndex: number): number {
    return Atomics.load(this.words, upstreamIndex);
  }

  /** Coordinator only: turns given before this are void. */
  bump(upstreamIndex: number): void {
    Atomics.add(this.words, upstreamIndex, 1);
  }
}
