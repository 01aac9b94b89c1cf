/**
 * How figures are written: numbers, tables on the terminal, text in a page, progress.
 */

export interface Column {
  readonly title: string;
  /** Text to the left, numbers to the right. */
  readonly align: 'left' | 'right';
}

export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string {
  const widths = columns.map((column, at) =>
    Math.max(column.title.length, ...rows.map((row) => (row[at] ?? '').length)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, at) => {
        const width = widths[at] ?? 0;
        return columns[at]?.align === 'right' ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '─'.repeat(width)).join('──');
  return [line(columns.map((column) => column.title)), rule, ...rows.map(line)].join('\n');
}

/** Four significant figures at most; `–` for a figure that could not be taken. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString('en-US');
  if (size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  return value.toFixed(2);
}

/** Text that is safe between tags and in quoted attributes. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

/** One line that is written over on a terminal and printed once elsewhere. */
export class ProgressLine {
  #shown = 0;

  show(text: string): void {
    if (!process.stderr.isTTY) {
      process.stderr.write(`${text}\n`);
      return;
    }
    const width = Math.max(20, (process.stderr.columns ?? 80) - 1);
    const cut = text.slice(0, width);
    process.stderr.write(`\r${cut.padEnd(this.#shown)}`);
    this.#shown = cut.length;
  }

  clear(): void {
    if (process.stderr.isTTY && this.#shown > 0) {
      process.stderr.write(`\r${' '.repeat(this.#shown)}\r`);
    }
    this.#shown = 0;
  }
}
