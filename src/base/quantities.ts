/**
 * Durations and sizes as people write them.
 *
 * Thread: any (pure). Only whole numbers are allowed: `1500ms` says the same as `1.5s` without
 * rounding.
 */
import { defined } from './assert.js';

/** A whole number and a unit: `250ms`, `5s`, `1m`, `1h`, `30d`. */
export type Duration = `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`;

/** `16KiB`, `1MiB`, `1GiB`, or a whole number of bytes. */
export type ByteSize = number | `${number}${'KiB' | 'MiB' | 'GiB'}`;

const DURATION = /^(0|[1-9]\d{0,8})(ms|s|m|h|d)$/;
const SIZE = /^(0|[1-9]\d{0,11})(KiB|MiB|GiB)?$/;

const MS_BY_UNIT: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const BYTES_BY_UNIT: Readonly<Record<string, number>> = {
  '': 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
};

/** The pattern of a duration, for the schema. */
export const DURATION_PATTERN = DURATION.source;
/** The pattern of a size, for the schema. */
export const SIZE_PATTERN = SIZE.source;

/** Milliseconds; undefined: the text is not a duration. */
export function parseDurationMs(text: string): number | undefined {
  const [, count, unit] = DURATION.exec(text) ?? [];
  if (count === undefined || unit === undefined) return undefined;
  return Number(count) * (MS_BY_UNIT[unit] ?? Number.NaN);
}

/** Bytes; undefined: the value is not a size. A number is a number of bytes. */
export function parseSizeBytes(size: string | number): number | undefined {
  if (typeof size === 'number') return Number.isSafeInteger(size) && size >= 0 ? size : undefined;
  const [, count, unit = ''] = SIZE.exec(size) ?? [];
  if (count === undefined) return undefined;
  return Number(count) * (BYTES_BY_UNIT[unit] ?? Number.NaN);
}

/** Milliseconds of a text that was checked. Throws AssertionError for any other. */
export function durationMs(text: string): number {
  return defined(parseDurationMs(text), 'a checked duration');
}

/** Bytes of a size that was checked. Throws AssertionError for any other. */
export function sizeBytes(size: string | number): number {
  return defined(parseSizeBytes(size), 'a checked size');
}

/** The shortest spelling of a duration: 60000 is `1m`, 1500 is `1500ms`; one day is `24h`. */
export function formatDuration(durationMs: number): string {
  if (durationMs === 0) return '0s';
  for (const unit of ['d', 'h', 'm', 's']) {
    const unitMs = MS_BY_UNIT[unit] ?? 1;
    if (unit === 'd' && durationMs === unitMs) continue;
    if (durationMs % unitMs === 0) return `${durationMs / unitMs}${unit}`;
  }
  return `${durationMs}ms`;
}
