import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ActiveCheckRow, takeProbe } from '../../../../src/policy/health/active-check.js';

const RULE = { healthyThreshold: 2, unhealthyThreshold: 3 };

function aRow(wish: Partial<ActiveCheckRow> = {}): ActiveCheckRow {
  return { isProbed: false, isUnhealthy: false, contradictions: 0, ...wish };
}

function take(row: ActiveCheckRow, probes: string): string {
  return [...probes].map((probe) => (takeProbe(row, RULE, probe === '+') ? '!' : '.')).join('');
}

describe('active check', () => {
  it('takes the first probe at its word, both ways', () => {
    const row = aRow();
    expect(take(row, '-')).toBe('!');
    expect(row.isUnhealthy).toBe(true);
    expect(take(aRow(), '+')).toBe('.');
  });

  it('needs as many failures in a row as the rule says, and no fewer', () => {
    expect(take(aRow({ isProbed: true }), '--+--+---')).toBe('........!');
  });

  it('needs as many passes in a row as the rule says, and no fewer', () => {
    expect(take(aRow({ isProbed: true, isUnhealthy: true }), '+-+-++')).toBe('.....!');
  });

  it('agrees with one that looks at all probes so far', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 60 }), (probes) => {
        const row = aRow();
        let isUnhealthy = false;
        probes.forEach((isPassed, at) => {
          takeProbe(row, RULE, isPassed);
          const needed = isUnhealthy ? RULE.healthyThreshold : RULE.unhealthyThreshold;
          const last = probes.slice(Math.max(0, at + 1 - needed), at + 1);
          const isEnough = at === 0 || last.length === needed;
          if (isEnough && last.every((one) => one === isUnhealthy)) isUnhealthy = !isUnhealthy;
          expect(row.isUnhealthy).toBe(isUnhealthy);
        });
      }),
    );
  });
});
