/**
 * Draws tables, row by row.
 *
 * Thread: browser. Cells are set as text, never as markup: part of the text comes from clients.
 */

export type Tone = 'good' | 'warn' | 'bad' | 'dim' | '';

export interface Cell {
  readonly text: string;
  readonly tone?: Tone;
  /** 0 to 1: shown as a meter beside the text. */
  readonly share?: number;
}

export interface Column {
  readonly title: string;
  readonly kind?: 'num' | 'long' | 'mono';
}

/** Rows beyond this many are counted, not shown. */
const ROWS_MAX = 100;

/** Draws a table into the element, and replaces its content. */
export function drawTable(
  element: HTMLElement,
  columns: readonly Column[],
  rows: readonly (readonly (Cell | string)[])[],
  nothing: string,
): void {
  if (rows.length === 0) {
    element.replaceChildren(paragraph(nothing));
    return;
  }
  const table = document.createElement('table');
  const head = table.createTHead().insertRow();
  for (const { title, kind } of columns) {
    const cell = document.createElement('th');
    cell.scope = 'col';
    cell.className = kind === 'num' ? 'num' : '';
    cell.textContent = title;
    head.append(cell);
  }
  const body = table.createTBody();
  for (const row of rows.slice(0, ROWS_MAX)) fillRow(body.insertRow(), columns, row);
  const box = document.createElement('div');
  box.className = 'scroll';
  box.append(table);
  const hidden = rows.length - ROWS_MAX;
  element.replaceChildren(box, ...(hidden > 0 ? [paragraph(`and ${hidden} more`)] : []));
}

function fillRow(
  tr: HTMLTableRowElement,
  columns: readonly Column[],
  row: readonly (Cell | string)[],
): void {
  for (const [at, { title, kind = '' }] of columns.entries()) {
    const given = row[at] ?? '';
    const { text, tone = '', share }: Cell = typeof given === 'string' ? { text: given } : given;
    const td = tr.insertCell();
    td.dataset['label'] = title;
    td.className = `${kind} ${tone === '' ? '' : `t-${tone}`} ${text === '' ? 'empty' : ''}`.trim();
    const words = document.createElement('span');
    words.textContent = text;
    td.append(words);
    if (share !== undefined) words.prepend(meter(share), ' ');
  }
}

function meter(share: number): HTMLMeterElement {
  const element = document.createElement('meter');
  element.value = share;
  element.high = 0.8;
  element.low = 0.8;
  element.optimum = 0;
  return element;
}

function paragraph(text: string): HTMLParagraphElement {
  const element = document.createElement('p');
  element.className = 'none';
  element.textContent = text;
  return element;
}
