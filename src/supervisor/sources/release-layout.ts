/**
 * How a store of configurations is laid out, whichever kind it is.
 *
 *     PREFIX/current          {"id": …, "sha256": …, "before": […]}    the release in force, and
 *                             those that it followed; moved in one transaction
 *     PREFIX/releases/ID      a whole configuration, as it was written; never changed
 *     PREFIX/parts/TEAM       routes, upstreams and authenticators of one team
 *     PREFIX/nodes/NODE       what a gateway says of itself, as long as it lives
 *
 * Thread: supervisor (on the main thread). IDs begin with the time in UTC, so that their order is
 * that in which they were published.
 */
import { createHash } from 'node:crypto';
import { TEAM_NAME } from '../../config/source/config-document.js';

export const CURRENT = 'current';
export const RELEASES = 'releases/';
export const PARTS = 'parts/';
export const NODES = 'nodes/';

/** Parts of one configuration: more are refused, as each costs time at every change. */
export const PARTS_MAX = 64;

/** The release in force. */
export interface ReleasePointer {
  readonly id: string;
  readonly sha256: string;
  /** IDs of the releases that were in force before, the last one last: the way back. */
  readonly before: readonly string[];
}

/** How far one can go back step by step. */
const BEFORE_MAX = 50;

const ID = /^[A-Za-z0-9._-]{1,128}$/;
const SHA256 = /^[0-9a-f]{64}$/;

export function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** `20261129T191502123Z-1f2e3d4c`. */
export function releaseId(unixMs: number, sha256: string): string {
  const time = new Date(unixMs).toISOString().replace(/[-:.]/g, '');
  return `${time}-${sha256.slice(0, 8)}`;
}

export function isReleaseId(text: string): boolean {
  return ID.test(text) && !/^\.+$/.test(text);
}

export function pointerText({ id, sha256, before }: ReleasePointer): string {
  return JSON.stringify({ id, sha256, before: before.slice(-BEFORE_MAX) });
}

/** null: the text is none that `sluice publish` has written. */
export function parsePointer(text: string): ReleasePointer | null {
  const { id, sha256, before } = parseObject(text);
  const isRight =
    typeof id === 'string' && isReleaseId(id) && typeof sha256 === 'string' && SHA256.test(sha256);
  if (!isRight) return null;
  const list: readonly unknown[] = Array.isArray(before) ? before : [];
  const isId = (one: unknown): one is string => typeof one === 'string' && isReleaseId(one);
  return { id, sha256, before: list.filter(isId) };
}

/** The team of `parts/TEAM`; '': the key is none of a part. */
export function teamOf(key: string): string {
  const team = key.startsWith(PARTS) ? key.slice(PARTS.length) : '';
  return TEAM_NAME.test(team) ? team : '';
}

/** Empty where the text is no JSON object. */
export function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
