/**
 * A chart of lines over time, as SVG.
 *
 * Thread: browser. Text is set as text, never as markup.
 */
import { short } from './text.js';

export interface Line {
  readonly name: string;
  /** Ending of the classes `s-…` and `b-…`. */
  readonly colour: 'good' | 'warn' | 'bad' | 'one' | 'two';
  /** NaN: there is no value at that moment. */
  readonly values: readonly number[];
}

export interface ChartText {
  readonly label: string;
  readonly unit: string;
  format(value: number): string;
}

const SVG = 'http://www.w3.org/2000/svg';
const HEIGHT = 170;
const WIDTH_MIN = 200;
const [LEFT, RIGHT, TOP, BOTTOM] = [44, 8, 10, 20];
const GRID_LINES = 2;

/**
 * Draws into the element, and replaces its content. `times` has the time of each value, in
 * milliseconds.
 */
export function drawChart(
  element: HTMLElement,
  lines: readonly Line[],
  times: readonly number[],
  text: ChartText,
): void {
  if (times.length < 2) {
    const note = document.createElement('p');
    note.className = 'none';
    note.textContent = 'collecting the first seconds';
    element.replaceChildren(note);
    return;
  }
  const all = lines.flatMap(({ values }) => values).filter((value) => Number.isFinite(value));
  const top = niceTop(Math.max(0, ...all));
  // The chart is drawn in pixels of the page: scaled text would be hard to read.
  const width = Math.max(WIDTH_MIN, element.clientWidth);
  const svg = node('svg', { viewBox: `0 0 ${width} ${HEIGHT}`, role: 'img' });
  svg.setAttribute('aria-label', `${text.label}: ${lines.map(({ name }) => name).join(', ')}`);
  for (let line = 0; line <= GRID_LINES; line += 1) {
    const y = TOP + ((HEIGHT - TOP - BOTTOM) * line) / GRID_LINES;
    svg.append(node('line', { class: 'grid', x1: LEFT, x2: width - RIGHT, y1: y, y2: y }));
    svg.append(textNode(LEFT - 6, y + 4, 'end', short(top * (1 - line / GRID_LINES))));
  }
  const [first = 0, last = 0] = [times[0], times.at(-1)];
  svg.append(textNode(LEFT, HEIGHT - 4, 'start', `${Math.round((last - first) / 1000)} s ago`));
  svg.append(textNode(width - RIGHT, HEIGHT - 4, 'end', 'now'));
  for (const { colour, values } of lines) {
    svg.append(node('path', { class: `s-${colour}`, d: pathOf(values, times, [width, top]) }));
  }
  element.replaceChildren(svg, legendOf(lines, text));
}

function pathOf(
  values: readonly number[],
  times: readonly number[],
  [width, top]: readonly [number, number],
): string {
  const [first = 0, last = 1] = [times[0], times.at(-1)];
  let path = '';
  let isDrawing = false;
  for (const [at, value] of values.entries()) {
    if (!Number.isFinite(value)) {
      isDrawing = false;
      continue;
    }
    const share = ((times[at] ?? first) - first) / Math.max(1, last - first);
    const x = LEFT + share * (width - LEFT - RIGHT);
    const y = HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM);
    path += `${isDrawing ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`;
    isDrawing = true;
  }
  return path;
}

function legendOf(lines: readonly Line[], { format, unit }: ChartText): HTMLElement {
  const legend = document.createElement('div');
  legend.className = 'legend';
  for (const { name, colour, values } of lines) {
    const entry = document.createElement('span');
    const mark = document.createElement('i');
    mark.className = `b-${colour}`;
    const value = document.createElement('b');
    const last = values.findLast((one) => Number.isFinite(one)) ?? 0;
    value.textContent = `${format(last)}${unit}`;
    entry.append(mark, `${name} `, value);
    legend.append(entry);
  }
  return legend;
}

/** A round number at or above the greatest value, so that the axis reads well. */
function niceTop(greatest: number): number {
  if (greatest <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(greatest));
  const step = [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((one) => one * power >= greatest) ?? 10;
  return step * power;
}

function node(name: string, attributes: Readonly<Record<string, string | number>>): SVGElement {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  return element;
}

function textNode(x: number, y: number, anchor: string, text: string): SVGElement {
  const element = node('text', { x, y, 'text-anchor': anchor });
  element.textContent = text;
  return element;
}
