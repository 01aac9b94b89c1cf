/**
 * Which returns of key grants were counted already, for each lane.
 *
 * Thread: coordinator. Owns one float64 a lane in shared memory: generation and serial in one
 * number, so that both are written at once. Serials wrap, as the words of a slot do.
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
    const known = this.floats[lane] as number;
    const knownGeneration = Math.floor(known / SERIALS);
    const isNoted =
      generation === knownGeneration
        ? ((serial - (known % SERIALS)) | 0) <= 0
        : generation < knownGeneration;
    if (isNoted) return false;
    this.floats[lane] = generation * SERIALS + (serial >>> 0);
    return true;
  }
}
