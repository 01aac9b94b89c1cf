/**
 * Bodies of any size without memory of that size: one random block, over and over.
 */
import { createHash, randomBytes } from 'node:crypto';

/** Not a divisor of any buffer on the way, so that a misplaced piece changes the hash. */
const BLOCK_BYTES = 250_007;

export interface BulkSink {
  write(chunk: Buffer): boolean;
  once(event: 'drain' | 'close', listener: () => void): unknown;
  off(event: 'drain' | 'close', listener: () => void): unknown;
  readonly destroyed: boolean;
}

/** Writes `bytes` of body at the sink's pace; resolves with their SHA-256. */
export async function writeBulk(sink: BulkSink, bytes: number): Promise<string> {
  const block = randomBytes(BLOCK_BYTES);
  const hash = createHash('sha256');
  for (let left = bytes; left > 0; left -= block.length) {
    const piece = left < block.length ? block.subarray(0, left) : block;
    hash.update(piece);
    if (!sink.write(piece)) await drained(sink);
    if (sink.destroyed) throw new Error('the other side left');
  }
  return hash.digest('hex');
}

function drained(sink: BulkSink): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      sink.off('drain', go);
      sink.off('close', go);
      resolve();
    };
    sink.once('drain', go);
    sink.once('close', go);
  });
}

export interface Digest {
  readonly bytes: number;
  readonly sha256: string;
}

/** Reads a body to its end; rejects when it is cut off. */
export function readBulk(source: NodeJS.ReadableStream): Promise<Digest> {
  const hash = createHash('sha256');
  let bytes = 0;
  return new Promise((resolve, reject) => {
    source.on('data', (chunk: Buffer) => {
      hash.update(chunk);
      bytes += chunk.length;
    });
    source.on('error', reject);
    source.on('close', () => reject(new Error(`cut off after ${bytes} bytes`)));
    source.on('end', () => resolve({ bytes, sha256: hash.digest('hex') }));
  });
}
