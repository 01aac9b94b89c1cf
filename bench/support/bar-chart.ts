/**
 * A horizontal bar chart as inline SVG: one bar a row, a whisker from the lowest to the highest
 * round, the figure written out beside the name. Colours come from the page's own style.
 *
 *   sluice                      51.2 µs ±3 %
 *   ██████████████├─┤
 *   0         20        40        60
 */
import { escapeHtml, formatNumber } from './report.js';
import type { Spread } from './statistics.js';

export interface Bar {
  readonly label: string;
  readonly spread: Spread;
  /** Drawn in the colour of what the page is about. */
  readonly isSubject: boolean;
  /** What stands behind the figure, such as a spread in percent. */
  readonly note: string;
}

export interface BarChart {
  readonly title: string;
  readonly unit: string;
  readonly better: 'less' | 'more';
  readonly bars: readonly Bar[];
}

const WIDTH = 360;
const ROW = 38;
const BAR_TOP = 18;
const BAR_HEIGHT = 12;
const AXIS = 24;
const EDGE = 8;
const TICKS_WANTED = 4;

export function renderBarChart({ title, unit, better, bars }: BarChart): string {
  const shown = bars.filter((one) => Number.isFinite(one.spread.median));
  if (shown.length === 0) return '';
  const highest = Math.max(0, ...shown.map((one) => one.spread.max));
  const lowest = Math.min(0, ...shown.map((one) => one.spread.min));
  const step = niceStep((highest - lowest) / TICKS_WANTED);
  const from = Math.floor(lowest / step) * step;
  const to = Math.max(from + step, Math.ceil(highest / step) * step);
  const x = (value: number) => EDGE + ((value - from) / (to - from)) * (WIDTH - 2 * EDGE);
  const height = shown.length * ROW + AXIS;
  const ticks: string[] = [];
  for (let at = 0; from + at * step <= to + step / 2; at += 1) {
    ticks.push(renderTick(from + at * step, x(from + at * step), height - AXIS));
  }
  const rows = shown.map((one, at) => renderRow(one, { top: at * ROW, unit, x }));
  const heading = `${title}, ${unit} (${better} is better)`;
  return `<figure>
<figcaption>${escapeHtml(title)} <span>${escapeHtml(unit)}, ${better} is better</span></figcaption>
<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escapeHtml(heading)}">
${ticks.join('\n')}
${rows.join('\n')}
</svg>
</figure>`;
}

function renderTick(value: number, x: number, bottom: number): string {
  const anchor = x < 2 * EDGE ? 'start' : x > WIDTH - 2 * EDGE ? 'end' : 'middle';
  const at = x.toFixed(1);
  return (
    `<line class="grid" x1="${at}" x2="${at}" y1="0" y2="${bottom}"/>` +
    `<text class="tick" x="${at}" y="${bottom + 15}" text-anchor="${anchor}">` +
    `${escapeHtml(formatTick(value))}</text>`
  );
}

function renderRow(
  { label, spread, isSubject, note }: Bar,
  place: { readonly top: number; readonly unit: string; readonly x: (value: number) => number },
): string {
  const { top, unit, x } = place;
  const { median, min, max } = spread;
  const [start, end] = [x(Math.min(0, median)), x(Math.max(0, median))];
  const middle = top + BAR_TOP + BAR_HEIGHT / 2;
  const figure = `${formatNumber(median)} ${unit}`;
  const told = `${label}: ${figure}, ${formatNumber(min)} to ${formatNumber(max)}`;
  const whisker =
    min === max
      ? ''
      : `<path class="whisker" d="M${x(min).toFixed(1)} ${middle - 5}v10M${x(min).toFixed(1)} ` +
        `${middle}H${x(max).toFixed(1)}M${x(max).toFixed(1)} ${middle - 5}v10"/>`;
  return (
    `<g><title>${escapeHtml(told)}</title>` +
    `<text class="label" x="${EDGE + 4}" y="${top + 13}">${escapeHtml(label)}</text>` +
    `<text class="value" x="${WIDTH - EDGE}" y="${top + 13}" text-anchor="end">` +
    `${escapeHtml(figure)}<tspan class="note"> ${escapeHtml(note)}</tspan></text>` +
    `<rect class="${isSubject ? 'subject' : 'other'}" x="${start.toFixed(1)}" rx="1.5" ` +
    `y="${top + BAR_TOP}" width="${Math.max(1, end - start).toFixed(1)}" ` +
    `height="${BAR_HEIGHT}"/>${whisker}</g>`
  );
}

/** 1, 2 or 5 times a power of ten. */
function niceStep(rough: number): number {
  if (!(rough > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = rough / power;
  return power * (factor <= 1 ? 1 : factor <= 2 ? 2 : factor <= 5 ? 5 : 10);
}

function formatTick(value: number): string {
  const rounded = Number(value.toPrecision(6));
  return Math.abs(rounded) >= 10_000 ? `${rounded / 1000}k` : String(rounded);
}
