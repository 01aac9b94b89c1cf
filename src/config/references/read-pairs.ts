/**
 * Pairs of certificate and key that the check of a configuration has read, for whoever needs them
 * next in the same thread: reading one takes most of a millisecond, and there may be ten thousand.
 *
 * Thread: supervisor or loader. Owns what was read, by thread. It holds only while the files are
 * the same: who asks says what they look like now.
 */
import type { PairReading } from './server-certificate.js';

/** Files of one certificate, and the names that it is configured for. */
export interface PairPlace {
  readonly cert: string;
  readonly key: string;
  readonly names: readonly string[];
}

interface ReadPair {
  readonly reading: PairReading;
  /** What the files looked like when they were read. */
  readonly looks: string;
}

/** More than any configuration has; beyond it pairs are read again. */
const REMEMBERED_MAX = 50_000;

const remembered = new Map<string, ReadPair>();

/** `looks`: of the files, from before they were read: see {@link looksOf}. */
export function rememberPair(place: PairPlace, reading: PairReading, looks: string): void {
  if (remembered.size < REMEMBERED_MAX) remembered.set(keyOf(place), { reading, looks });
}

/** Whether a pair of this place was read. */
export function isRemembered(place: PairPlace): boolean {
  return remembered.has(keyOf(place));
}

/** What was read; null: nothing, or the files look otherwise now. */
export function recallPair(place: PairPlace, looks: string): PairReading | null {
  const known = remembered.get(keyOf(place));
  return known !== undefined && known.looks === looks ? known.reading : null;
}

/** Files with certificates that are not valid at this time, and why. */
export function invalidPairs(unixMs: number): { readonly cert: string; readonly why: string }[] {
  const found = new Map<string, string>();
  for (const [key, { reading }] of remembered) {
    if ('problem' in reading) continue;
    const [cert] = JSON.parse(key) as [string];
    const { startsAtUnixMs, expiresAtUnixMs } = reading.pair;
    if (expiresAtUnixMs <= unixMs) found.set(cert, `has expired, on ${day(expiresAtUnixMs)}`);
    else if (startsAtUnixMs > unixMs) found.set(cert, `is valid from ${day(startsAtUnixMs)} on`);
  }
  return Array.from(found, ([cert, why]) => ({ cert, why }));
}

function day(unixMs: number): string {
  return new Date(unixMs).toISOString().slice(0, 10);
}

/** Whoever needs them has them. */
export function forgetPairs(): void {
  remembered.clear();
}

/** What files look like from outside: with another content they look otherwise. */
export function looksOf(
  statuses: readonly { readonly ino: number; readonly size: number; readonly mtimeMs: number }[],
): string {
  return statuses.map(({ ino, size, mtimeMs }) => `${ino} ${size} ${mtimeMs}`).join(' ');
}

function keyOf({ cert, key, names }: PairPlace): string {
  return JSON.stringify([cert, key, names]);
}
