/**
 * Draws the splits that are rolled out, and how both sides do.
 *
 * Thread: browser.
 */
import { drawTable, type Tone } from './tables.js';
import { milliseconds, percent, short } from './text.js';

export interface SideFigures {
  readonly requests: number;
  readonly errors: number;
  readonly p99_ms: number;
}

export interface SplitFigures {
  readonly route: string;
  readonly old: string;
  readonly new: string;
  readonly phase: string;
  readonly reason: string;
  readonly share_percent: number;
  readonly to_percent: number;
  readonly judged: { readonly old: SideFigures; readonly new: SideFigures };
}

/** The card is not shown where nothing is rolled out. */
export function drawSplits(card: HTMLElement, table: HTMLElement, splits: readonly SplitFigures[]) {
  card.hidden = splits.length === 0;
  drawTable(
    table,
    [
      { title: 'route', kind: 'long' },
      { title: 'new side' },
      { title: 'share', kind: 'num' },
      { title: 'of', kind: 'num' },
      { title: 'state' },
      { title: 'errors, old' },
      { title: 'errors, new' },
      { title: '99 %, old', kind: 'num' },
      { title: '99 %, new', kind: 'num' },
    ],
    splits.map((split) => {
      const { judged, share_percent: share, to_percent: to, phase, reason } = split;
      return [
        split.route,
        split.new,
        { text: percent(share / 100), share: share / 100 },
        percent(to / 100),
        { text: reason === '' ? phase : `${phase}: ${reason}`, tone: toneOf(phase) },
        errorsOf(judged.old),
        errorsOf(judged.new),
        milliseconds(judged.old.p99_ms),
        milliseconds(judged.new.p99_ms),
      ];
    }),
    'nothing is rolled out',
  );
}

function errorsOf({ errors, requests }: SideFigures): string {
  return `${short(errors)} of ${short(requests)}`;
}

function toneOf(phase: string): Tone {
  if (phase === 'takenBack') return 'bad';
  return phase === 'held' ? 'warn' : 'good';
}
