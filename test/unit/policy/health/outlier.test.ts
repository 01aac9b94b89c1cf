import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  eject,
  mayEject,
  type OutlierRow,
  type OutlierRule,
  passOutlierTime,
  takeAnswer,
} from '../../../../src/policy/health/outlier.js';

const RULE: OutlierRule = {
  consecutive5xx: 3,
  intervalMs: 1000,
  baseEjectionMs: 500,
  maxEjectionMs: 1200,
  maxEjectionPercent: 10,
};

function aRow(): OutlierRow {
  return {
    badAnswers: 0,
    ejections: 0,
    isEjected: false,
    outlierSinceMs: 0,
    ejectedUntilMs: 0,
  };
}

/** Ejected at that moment and back in time; when it was back. */
function ejectAndReturn(row: OutlierRow, nowMs: number): number {
  eject(row, RULE, nowMs);
  const untilMs = row.ejectedUntilMs;
  expect(passOutlierTime(row, RULE, untilMs - 1)).toBe(false);
  expect(passOutlierTime(row, RULE, untilMs)).toBe(true);
  return untilMs;
}

describe('outlier', () => {
  it('is due after as many bad answers in a row as the rule says, and stays so until it is ejected', () => {
    const row = aRow();
    const answers = [true, true, false, true, true, true, true];
    const due = answers.map((isBad) => takeAnswer(row, RULE, isBad));
    expect(due).toEqual([false, false, false, false, false, true, true]);
    expect(takeAnswer(row, RULE, false)).toBe(false);
  });

  it('takes no notice of answers while it is out', () => {
    const row = aRow();
    eject(row, RULE, 0);
    for (let count = 0; count < 5; count += 1) expect(takeAnswer(row, RULE, true)).toBe(false);
    expect(passOutlierTime(row, RULE, 500)).toBe(true);
    expect(row).toMatchObject({ isEjected: false, badAnswers: 0 });
  });

  it('is out for longer each time, up to the most', () => {
    const row = aRow();
    const lengths: number[] = [];
    let nowMs = 0;
    for (let time = 0; time < 4; time += 1) {
      const backMs = ejectAndReturn(row, nowMs);
      lengths.push(backMs - nowMs);
      nowMs = backMs;
    }
    expect(lengths).toEqual([500, 1000, 1200, 1200]);
  });

  it('is forgiven one ejection for each interval that it was in', () => {
    const row = aRow();
    const backMs = ejectAndReturn(row, ejectAndReturn(row, 0));
    passOutlierTime(row, RULE, backMs + 999);
    expect(row.ejections).toBe(2);
    passOutlierTime(row, RULE, backMs + 1000);
    expect(row.ejections).toBe(1);
    passOutlierTime(row, RULE, backMs + 60_000);
    expect(row.ejections).toBe(0);
    expect(ejectAndReturn(row, backMs + 60_000) - backMs).toBe(60_500);
  });

  it('may always be one of two or more, never the only one, and never more than the share', () => {
    const allowed = (percent: number, count: number): number => {
      const rule = { ...RULE, maxEjectionPercent: percent };
      let ejected = 0;
      while (ejected < count && mayEject(rule, ejected, count)) ejected += 1;
      return ejected;
    };
    expect([1, 2, 9, 20, 30].map((count) => allowed(10, count))).toEqual([0, 1, 1, 2, 3]);
    expect([1, 2, 4].map((count) => allowed(100, count))).toEqual([0, 2, 4]);
    expect(allowed(0, 5)).toBe(1);
  });

  it('comes back from every ejection by time alone', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 5000 }), { maxLength: 30 }), (gaps) => {
        const row = aRow();
        let nowMs = 0;
        for (const gap of gaps) {
          nowMs += gap;
          passOutlierTime(row, RULE, nowMs);
          if (!row.isEjected) eject(row, RULE, nowMs);
          expect(row.ejectedUntilMs - nowMs).toBeLessThanOrEqual(RULE.maxEjectionMs);
        }
        passOutlierTime(row, RULE, nowMs + RULE.maxEjectionMs);
        expect(row.isEjected).toBe(false);
      }),
    );
  });
});
