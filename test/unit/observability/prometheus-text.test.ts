import { describe, expect, it } from 'vitest';
import { ownersOf } from '../../../src/admin/metric-series.js';
import { familyText, histogramText } from '../../../src/observability/prometheus-text.js';

const HEAD = { name: 'a_total', help: 'What it is.' };

describe('Prometheus text', () => {
  it('escapes what stands in labels', () => {
    expect(familyText(HEAD, 'counter', [[[['l', 'a"b\\c\nd']], 1.5]])).toBe(
      '# HELP a_total What it is.\n# TYPE a_total counter\na_total{l="a\\"b\\\\c\\nd"} 1.5\n',
    );
  });

  it('has no family without samples', () => {
    expect(familyText(HEAD, 'gauge', [])).toBe('');
    expect(histogramText(HEAD, [1], [])).toBe('');
  });

  it('ends the buckets of a histogram with all of it', () => {
    const text = histogramText(
      { name: 'h', help: 'H.' },
      [0.1, 1],
      [{ labels: [['r', 'x']], cumulative: [1, 3], count: 4, sum: 9 }],
    );
    expect(text.split('\n').slice(2)).toEqual([
      'h_bucket{r="x",le="0.1"} 1',
      'h_bucket{r="x",le="1"} 3',
      'h_bucket{r="x",le="+Inf"} 4',
      'h_sum{r="x"} 9',
      'h_count{r="x"} 4',
      '',
    ]);
  });
});

describe('series', () => {
  it('are bounded: beyond that many, the rest share one', () => {
    const owners = ownersOf([1, 2, 3, 4, 5], (one) => `n${one}`, 3);
    expect(owners).toEqual([
      { label: 'n1', members: [1] },
      { label: 'n2', members: [2] },
      { label: 'n3', members: [3] },
      { label: '_others', members: [4, 5] },
    ]);
    expect(ownersOf([1, 2, 3], (one) => `n${one}`, 3)).toHaveLength(3);
  });
});
