/**
 * A serial for each upstream that grows whenever one of its targets may be used again.
 *
 * Thread: any (both ends). The coordinator writes. A turn given in advance carries the serial of
 * its time, and a worker compares the serials before it uses the turn. So a target that recovers
 * gets its share at once, and not when the earlier turns have run out.
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

  /** Hot path, watched by bench/micro/worker/key-grants: read before every granted turn. */
  serialOf(upstreamIndex: number): number {
    return Atomics.load(this.words, upstreamIndex);
  }

  /** Coordinator only: turns given before this call are void. */
  bump(upstreamIndex: number): void {
    Atomics.add(this.words, upstreamIndex, 1);
  }
}
