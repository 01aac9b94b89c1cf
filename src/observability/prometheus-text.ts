/**
 * The Prometheus text format, version 0.0.4: families of samples as text.
 *
 * Thread: any (pure).
 */
export type FamilyType = 'counter' | 'gauge';

/** What all samples of one name have in common. */
export interface FamilyHead {
  /**
   * Ends in `_total` for a counter. Units are seconds and bytes, never multiples or parts of them.
   */
  readonly name: string;
  readonly help: string;
}

/** Names and values of labels. */
export type Labels = readonly (readonly [string, string])[];

/** The Content-Type of a reply with such text. */
export const PROMETHEUS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** One family; empty without samples. */
export function familyText(
  { name, help }: FamilyHead,
  type: FamilyType,
  samples: readonly (readonly [Labels, number])[],
): string {
  if (samples.length === 0) return '';
  const rows = samples.map(([labels, value]) => sampleText(name, labels, value));
  return headText(name, help, type) + rows.join('');
}

/** The cumulative buckets of one histogram, as the format wants them. */
export interface HistogramSamples {
  readonly labels: Labels;
  /** For each bound the number of amounts up to it. */
  readonly cumulative: readonly number[];
  readonly count: number;
  readonly sum: number;
}

/** A family of histograms with these upper bounds. */
export function histogramText(
  { name, help }: FamilyHead,
  bounds: readonly number[],
  histograms: readonly HistogramSamples[],
): string {
  if (histograms.length === 0) return '';
  const parts = [headText(name, help, 'histogram')];
  for (const { labels, cumulative, count, sum } of histograms) {
    for (const [at, bound] of bounds.entries()) {
      const bucket = [...labels, ['le', String(bound)] as const];
      parts.push(sampleText(`${name}_bucket`, bucket, cumulative[at] ?? 0));
    }
    parts.push(sampleText(`${name}_bucket`, [...labels, ['le', '+Inf']], count));
    parts.push(sampleText(`${name}_sum`, labels, sum));
    parts.push(sampleText(`${name}_count`, labels, count));
  }
  return parts.join('');
}

function headText(name: string, help: string, type: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
}

function sampleText(name: string, labels: Labels, value: number): string {
  if (labels.length === 0) return `${name} ${value}\n`;
  const list = labels.map(([label, text]) => `${label}="${escapeLabel(text)}"`).join(',');
  return `${name}{${list}} ${value}\n`;
}

function escapeLabel(text: string): string {
  return text.replace(/[\\"\n]/g, (char) => (char === '\n' ? '\\n' : `\\${char}`));
}
