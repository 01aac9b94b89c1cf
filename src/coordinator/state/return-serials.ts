/**
 * Which returns of key grants were counted already, for each lane.
 *
 * Thread: coordinator. Owns one float64 a lane in shared memory: generation and serial in one
 * number, so that both are written at once.
 */
const SERIALS = 2 ** 32;

export function returnSerialsBytes(laneCount: number): number {
  return laneCount * 8;
}

export class ReturnSerials {
  private readonly floats: Float64Array;

  constructor(buffer: ArrayBufferLike) {
    this.floats = new Float64Array(buffer);
  }

  /** Notes a return, before the caller acts upon it. False: it was noted before. */
  note(lane: number, generation: number, serial: number): boolean {
    const next = generation * SERIALS + serial;
    if (next <= (this.floats[lane] as number)) return false;
    this.floats[lane] = next;
    return true;
  }
}
