/**
 * How bodies are compressed: at once, off the event loop, or as they come.
 *
 * Thread: worker. Owns nothing. What is not done at once is done in the thread pool of the process.
 */
import * as zlib from 'node:zlib';
import { defined } from '../../base/assert.js';
import type { Coding } from '../../base/content-codings.js';
import { type CodingStream, ZSTD } from '../content-codings.js';

/**
 * Bodies up to this size that are whole are compressed at once: a stream in the thread pool costs
 * 0.1 ms of CPU more (bench, gateway/gzip).
 */
const SHORT_BYTES_MAX = 16 * 1024;
/** Above these levels a body of that size would keep the event loop for long. */
const LEVELS_OF_SHORT: Readonly<Record<Coding, number>> = { gzip: 9, br: 5, zstd: 6 };

/** Longer ones are so too, where the level is low: 0.4 ms for JSON, 1.2 ms for prose. */
const MEDIUM_BYTES_MAX = 64 * 1024;
const LEVELS_OF_MEDIUM: Readonly<Record<Coding, number>> = { gzip: 5, br: 3, zstd: 3 };

/** Exponents of two. A client needs as much memory to decode. */
const WINDOW_BITS = 18;

/** As zstd.h has them: the types of Node.js 20 do not know these. */
const ZSTD_LEVEL = 100;
const ZSTD_WINDOW_LOG = 101;
const ZSTD_FLUSH = 1;

const { Z_SYNC_FLUSH, BROTLI_OPERATION_FLUSH, BROTLI_PARAM_QUALITY, BROTLI_PARAM_LGWIN } =
  zlib.constants;
const { BROTLI_PARAM_SIZE_HINT } = zlib.constants;

/** Whether a whole body of this length is compressed quickly enough for the event loop. */
export function isQuick(coding: Coding, level: number, bytes: number): boolean {
  if (bytes <= SHORT_BYTES_MAX) return level <= LEVELS_OF_SHORT[coding];
  return bytes <= MEDIUM_BYTES_MAX && level <= LEVELS_OF_MEDIUM[coding];
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

/** A whole body of any length, off the event loop. `done` is called in a later turn. */
export function compressBehind(
  coding: Coding,
  level: number,
  bytes: Buffer,
  done: (error: Error | null, compressed: Buffer) => void,
): void {
  switch (coding) {
    case 'gzip':
      zlib.gzip(bytes, { level }, done);
      return;
    case 'br':
      zlib.brotliCompress(bytes, { params: brotliParams(level, bytes.length) }, done);
      return;
    case 'zstd':
      defined(ZSTD.zstdCompress, 'zstd')(bytes, { params: zstdParams(level) }, done);
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
