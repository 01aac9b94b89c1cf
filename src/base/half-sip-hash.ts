/**
 * HalfSipHash-2-4 with 64 bits of output: a keyed hash of limiter keys.
 *
 * Thread: any (pure). The hash is keyed, so that a stranger cannot search for keys that share a
 * row. It needs only 32-bit arithmetic, which is fast in JavaScript. Aumasson and Bernstein,
 * "SipHash: a fast short-input PRF"; the constants are those of the 32-bit variant.
 */

export class HalfSipHash {
  /** The result of the last {@link hash}. */
  high = 0;
  low = 0;

  private v0 = 0;
  private v1 = 0;
  private v2 = 0;
  private v3 = 0;

  /** `key0`, `key1`: 64 random bits, the same on every thread. */
  constructor(
    private readonly key0: number,
    private readonly key1: number,
  ) {}

  /** Hashes the low bytes of the text's characters (limiter keys are Latin-1). */
  hash(text: string): void {
    this.v0 = this.key0;
    this.v1 = this.key1 ^ 0xee;
    this.v2 = 0x6c796765 ^ this.key0;
    this.v3 = 0x74656462 ^ this.key1;
    const { length } = text;
    const whole = length & ~3;
    for (let at = 0; at < whole; at += 4) this.absorb(wordAt(text, at, 4));
    this.absorb((length << 24) | wordAt(text, whole, length & 3));
    this.v2 ^= 0xee;
    this.rounds(4);
    this.low = this.v1 ^ this.v3;
    this.v1 ^= 0xdd;
    this.rounds(4);
    this.high = this.v1 ^ this.v3;
  }

  private absorb(word: number): void {
    this.v3 ^= word;
    this.rounds(2);
    this.v0 ^= word;
  }

  private rounds(count: number): void {
    let { v0, v1, v2, v3 } = this;
    for (let round = 0; round < count; round++) {
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
    }
    this.v0 = v0;
    this.v1 = v1;
    this.v2 = v2;
    this.v3 = v3;
  }
}

function wordAt(text: string, start: number, bytes: number): number {
  let word = 0;
  for (let at = 0; at < bytes; at++) word |= (text.charCodeAt(start + at) & 0xff) << (8 * at);
  return word;
}
