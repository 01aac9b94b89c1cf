/**
 * The tables of replies from memory and of compressed ones.
 *
 * Thread: browser.
 */
import type { CacheFigures, CodingFigures } from './figures.js';
import { type Cell, drawTable } from './tables.js';
import { bytes, percent, short } from './text.js';

/** `before`: the figures of two seconds ago; null: there are none. */
export function drawCache(
  element: HTMLElement,
  now: CacheFigures,
  before: CacheFigures | null,
  rate: (before: number | undefined, now: number) => number,
): void {
  const counted = (
    title: string,
    figure: 'hits' | 'stale_replies' | 'revalidated' | 'misses' | 'bypassed' | 'collapsed',
    detail: Cell | string,
  ): (Cell | string)[] => [
    title,
    short(rate(before?.[figure], now[figure])),
    short(now[figure]),
    detail,
  ];
  const asked = now.hits + now.stale_replies + now.revalidated + now.misses;
  const share = asked === 0 ? 0 : now.hits / asked;
  const used = now.limit_bytes === 0 ? 0 : now.held_bytes / now.limit_bytes;
  const unstored = Object.values(now.not_stored_by_reason).reduce((sum, one) => sum + one, 0);
  const rows = [
    counted('hits', 'hits', { text: `${percent(share)} of what may be stored`, share }),
    counted('stale', 'stale_replies', ''),
    counted('revalidated', 'revalidated', ''),
    counted('misses', 'misses', reasonsOf(now.misses_by_reason)),
    counted('collapsed', 'collapsed', ''),
    counted('bypassed', 'bypassed', reasonsOf(now.bypassed_by_reason)),
    ['not stored', '', short(unstored), reasonsOf(now.not_stored_by_reason)],
    ['memory', '', bytes(now.held_bytes), { text: `of ${bytes(now.limit_bytes)}`, share: used }],
    ['entries', '', short(now.entries), `${short(now.evicted)} went to make room`],
    ['sent', '', bytes(now.served_bytes), ''],
  ];
  const isUsed = asked + now.bypassed > 0;
  const num = (title: string) => ({ title, kind: 'num' as const });
  drawTable(
    element,
    [{ title: 'what' }, num('a second'), num('in all'), { title: '', kind: 'long' }],
    isUsed ? rows : [],
    'no route with a cache has had a request',
  );
}

/** The most frequent first. */
function reasonsOf(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .sort(([, one], [, other]) => other - one)
    .map(([reason, count]) => `${reason} ${short(count)}`)
    .join(', ');
}

export function drawCompression(
  element: HTMLElement,
  codings: Readonly<Record<string, CodingFigures>>,
): void {
  const rows = Object.entries(codings)
    .filter(([, { replies }]) => replies > 0)
    .map(([coding, { replies, bytes_in: before, bytes_out: after }]) => [
      coding,
      short(replies),
      bytes(before),
      bytes(after),
      { text: percent(after / Math.max(1, before)), share: after / Math.max(1, before) },
    ]);
  const num = (title: string) => ({ title, kind: 'num' as const });
  drawTable(
    element,
    [{ title: 'coding' }, num('replies'), num('before'), num('after'), num('left')],
    rows,
    'nothing was compressed',
  );
}
