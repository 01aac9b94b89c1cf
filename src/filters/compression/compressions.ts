/**
 * All compressions of one worker: how many there may be at a time, and what they are made with.
 *
 * Thread: worker. Owns the number of open compressions; each is given back once, by its stage. A
 * stream of zlib works in the thread pool of the process, and so does not keep the event loop; its
 * memory is between 200 KiB and 1 MiB, which is what the number bounds.
 *
 * Invariant: 0 <= streams <= open <= openMax, and streams are half of openMax at most: they stay
 * open for long.
 */
import * as zlib from 'node:zlib';
import { assert, defined } from '../../base/assert.js';
import type { Coding } from '../../base/content-codings.js';
import { type CodingStream, ZSTD } from '../content-codings.js';

/**
 * Bodies up to this size that are whole are compressed at once, in a fraction of a millisecond: a
 * stream in the thread pool costs 0.1 ms of CPU more (bench/gateway/compression).
 */
const AT_ONCE_BYTES_MAX = 16 * 1024;
/** Above these a body of that size would keep the event loop for longer. */
const QUICK_LEVELS: Readonly<Record<Coding, number>> = { gzip: 9, br: 5, zstd: 6 };

/** Exponents of two. A client needs as much memory to decode. */
const WINDOW_BITS = 18;

/** As zstd.h has them: the types of Node.js 20 do not know these. */
const ZSTD_LEVEL = 100;
const ZSTD_WINDOW_LOG = 101;
const ZSTD_FLUSH = 1;

const { Z_SYNC_FLUSH, BROTLI_OPERATION_FLUSH, BROTLI_PARAM_QUALITY, BROTLI_PARAM_LGWIN } =
  zlib.constants;
const { BROTLI_PARAM_SIZE_HINT } = zlib.constants;

/** Where compressions are counted. */
export interface CompressionLedger {
  /** A reply is compressed. */
  countCompressed(coding: Coding): void;
  countCompressedBytes(coding: Coding, bytesIn: number, bytesOut: number): void;
  /** A reply went out as it was, since too many others were being compressed. */
  countUncompressed(): void;
}

export interface CompressionsParts {
  readonly ledger: CompressionLedger;
  /** Calls the step after this turn of the event loop. */
  readonly afterTurn: (step: () => void) => void;
  /** Replies that are compressed at a time. */
  readonly openMax: number;
}

export class Compressions {
  private open = 0;
  private streams = 0;

  constructor(readonly parts: CompressionsParts) {}

  /** False: too many are open; the reply is counted. */
  tryTake(isEventStream: boolean): boolean {
    const { openMax } = this.parts;
    if (this.open >= openMax || (isEventStream && this.streams >= Math.floor(openMax / 2))) {
      this.parts.ledger.countUncompressed();
      return false;
    }
    this.open += 1;
    if (isEventStream) this.streams += 1;
    return true;
  }

  giveBack(isEventStream: boolean): void {
    assert(this.open > 0, 'a compression is given back once');
    this.open -= 1;
    if (isEventStream) this.streams -= 1;
  }
}

/** Whether a whole body of this length may be compressed at once. */
export function isQuick(coding: Coding, level: number, bytes: number): boolean {
  return bytes <= AT_ONCE_BYTES_MAX && level <= QUICK_LEVELS[coding];
}

/** A whole body. */
export function compressAtOnce(coding: Coding, level: number, bytes: Buffer): Buffer {
  switch (coding) {
    case 'gzip':
      return zlib.gzipSync(bytes, { level });
    case 'br':
      return zlib.brotliCompressSync(bytes, { params: brotliParams(level, bytes.length) });
    case 'zstd':
      return defined(ZSTD.zstdCompressSync, 'zstd')(bytes, { params: zstdParams(level) });
  }
}

/** A stream that lets out all of each piece that is written. */
export function openCompressor(coding: Coding, level: number): CodingStream {
  switch (coding) {
    case 'gzip':
      return zlib.createGzip({ level, flush: Z_SYNC_FLUSH });
    case 'br':
      return zlib.createBrotliCompress({
        params: brotliParams(level, 0),
        flush: BROTLI_OPERATION_FLUSH,
      });
    case 'zstd': {
      const options = { params: zstdParams(level), flush: ZSTD_FLUSH };
      return defined(ZSTD.createZstdCompress, 'zstd')(options);
    }
  }
}

function brotliParams(level: number, bytes: number): Record<number, number> {
  return {
    [BROTLI_PARAM_QUALITY]: level,
    [BROTLI_PARAM_LGWIN]: WINDOW_BITS,
    [BROTLI_PARAM_SIZE_HINT]: bytes,
  };
}

function zstdParams(level: number): Record<number, number> {
  return { [ZSTD_LEVEL]: level, [ZSTD_WINDOW_LOG]: WINDOW_BITS };
}
