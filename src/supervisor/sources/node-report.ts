/**
 * What a gateway says of itself in the store, so that whoever publishes hears from every one.
 *
 * Thread: supervisor (on the main thread). What comes out of the store may have been written by
 * anybody who may write there: nothing of it is believed without a look.
 */
import type { RefusedDocument } from '../../base/store-origin.js';
import { parseObject } from './release-layout.js';

export interface NodeReport {
  readonly node: string;
  readonly version: string;
  /** Wall time of the report, ISO 8601. */
  readonly at: string;
  /** In force; null: none yet. */
  readonly release: { readonly id: string; readonly sha256: string } | null;
  readonly from: 'store' | 'copy';
  /** What the store names and this node does not use. */
  readonly refused: RefusedDocument | null;
  readonly parts: Readonly<Record<string, PartReport>>;
  /** Why the copy on disk could not be written, `off`, or `written`. */
  readonly copy: string;
}

export interface PartReport {
  /** In force; '': none. */
  readonly sha256: string;
  readonly refused: RefusedDocument | null;
}

const REASONS_MAX = 10;
const REASON_CHARS_MAX = 500;

export function reportText(report: NodeReport): string {
  return JSON.stringify(report);
}

/** As many reasons as are told, none of them very long. */
export function toldReasons(reasons: readonly string[]): readonly string[] {
  const told = reasons.slice(0, REASONS_MAX).map((one) => one.slice(0, REASON_CHARS_MAX));
  const more = reasons.length - told.length;
  return more > 0 ? [...told, `and ${more} more`] : told;
}

/** null: the text is no report. */
export function parseReport(node: string, text: string): NodeReport | null {
  const { version, at, release, from, refused, parts, copy } = parseObject(text);
  if (typeof version !== 'string' || typeof at !== 'string') return null;
  const rows: [string, PartReport][] = [];
  for (const [team, part] of Object.entries(objectOf(parts))) {
    const { sha256, refused: no } = objectOf(part);
    rows.push([team, { sha256: textOf(sha256), refused: parseRefused(no) }]);
  }
  const { id, sha256 } = objectOf(release);
  return {
    ...{ node, version: printable(version), at: printable(at) },
    release: typeof id === 'string' ? { id: printable(id), sha256: textOf(sha256) } : null,
    from: from === 'copy' ? 'copy' : 'store',
    refused: parseRefused(refused),
    parts: Object.fromEntries(rows),
    copy: textOf(copy),
  };
}

function parseRefused(value: unknown): RefusedDocument | null {
  const { id, reasons } = objectOf(value);
  if (typeof id !== 'string') return null;
  const list = Array.isArray(reasons) ? reasons.map((one) => textOf(one)) : [];
  return { id: printable(id), reasons: toldReasons(list) };
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? printable(value) : '';
}

/** A terminal must not be steered by what somebody has put into the store. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, ' ');
}
