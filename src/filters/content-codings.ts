/**
 * What this Node.js can do with content codings, and how a body is coded.
 *
 * Thread: any (pure). Whether there is zstd depends on Node.js: it has it from 22.15 on.
 */
import * as zlib from 'node:zlib';
import { defined } from '../base/assert.js';
import { type Coding, codingOfName } from '../base/content-codings.js';

/** A stream that turns bytes into others. */
export type CodingStream = zlib.Gzip;

/** A whole body at once; `done` gets an error when it cannot be decoded within the bound. */
export type Decode = (
  bytes: Buffer,
  options: { readonly maxOutputLength: number },
  done: (error: Error | null, decoded: Buffer) => void,
) => void;

/** What the types of Node.js 20 do not know yet. */
interface ZstdPart {
  readonly createZstdCompress?: (options: object) => CodingStream;
  readonly zstdCompressSync?: (bytes: Buffer, options: object) => Buffer;
  readonly zstdCompress?: (
    bytes: Buffer,
    options: object,
    done: (error: Error | null, compressed: Buffer) => void,
  ) => void;
  readonly zstdDecompress?: Decode;
}

const ALL: object = zlib;
export const ZSTD: ZstdPart = ALL;

export function hasCoding(coding: Coding): boolean {
  return coding !== 'zstd' || ZSTD.createZstdCompress !== undefined;
}

/**
 * How a body is coded, by all values of Content-Encoding. null: it is not. `unknown`: nobody here
 * can read it, or it is coded more than once.
 */
export function codingOf(values: readonly string[]): Coding | 'unknown' | null {
  const named = values
    .flatMap((value) => value.split(','))
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '' && name !== 'identity');
  const [only, second] = named;
  if (only === undefined) return null;
  if (second !== undefined) return 'unknown';
  const coding = codingOfName(only);
  return coding !== null && hasCoding(coding) ? coding : 'unknown';
}

/** A body that is shorter than this when decoded is no bomb, however short it came. */
const SMALL_BYTES = 64 * 1024;
/** No document that people send is this many times longer than it is when compressed. */
const RATIO_MAX = 100;

/** Why a body was not decoded. */
export type DecodeProblem = 'tooLarge' | 'broken';

/**
 * Decodes a whole body in the thread pool. It must not become longer than `bytesMax`, nor than a
 * hundred times what it is. What stands behind a complete stream is left out.
 */
export function decodeBody(
  coding: Coding,
  bytes: Buffer,
  bytesMax: number,
  done: (problem: DecodeProblem | null, decoded: Buffer) => void,
): void {
  const maxOutputLength = Math.min(bytesMax, Math.max(SMALL_BYTES, bytes.length * RATIO_MAX));
  decoderOf(coding)(bytes, { maxOutputLength }, (error, decoded) => {
    if (error === null) done(null, decoded);
    else done(isTooLarge(error) ? 'tooLarge' : 'broken', NOTHING);
  });
}

const NOTHING = Buffer.alloc(0);

function decoderOf(coding: Coding): Decode {
  switch (coding) {
    case 'gzip':
      return zlib.gunzip;
    case 'br':
      return zlib.brotliDecompress;
    case 'zstd':
      return defined(ZSTD.zstdDecompress, 'zstd');
  }
}

function isTooLarge(error: Error): boolean {
  return Reflect.get(error, 'code') === 'ERR_BUFFER_TOO_LARGE';
}
