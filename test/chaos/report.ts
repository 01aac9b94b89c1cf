/** The table that a chaos run prints, and what it says of each row. */
import type { LoadFigures } from './load-tally.js';

export interface Row {
  readonly fault: string;
  readonly figures: Pick<LoadFigures, 'sent' | 'failed' | 'refused' | 'dropped' | 'late'>;
  /** From the fault until all is as before; null: there was nothing to recover from. */
  readonly recoverMs: number | null;
  readonly memoryMb: readonly [before: number, after: number];
  /** What must not be; empty when all is well. */
  readonly wrongs: readonly string[];
  /** Worth knowing besides. */
  readonly notes: readonly string[];
}

const COLUMNS = ['fault', 'sent', 'failed', 'late', 'refused', 'dropped', 'recovers', 'MB', ''];

function cells({ fault, figures, recoverMs, memoryMb, wrongs, notes }: Row): string[] {
  return [
    fault,
    String(figures.sent),
    String(figures.failed),
    String(figures.late),
    String(figures.refused),
    String(figures.dropped),
    recoverMs === null ? '-' : `${Math.round(recoverMs)} ms`,
    memoryMb.join(' → '),
    [...wrongs.map((wrong) => `WRONG: ${wrong}`), ...notes].join('; '),
  ];
}

/** As Markdown, so that it can be pasted. */
export function formatTable(rows: readonly Row[]): string {
  const lines = [COLUMNS, ...rows.map(cells)];
  const widths = COLUMNS.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0), 3));
  const format = (line: readonly string[]): string =>
    `| ${line.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`;
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  const [head = [], ...body] = lines;
  return [format(head), rule, ...body.map(format)].join('\n');
}
