import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BREAKER_CLOSED,
  BREAKER_HALF_OPEN,
  BREAKER_OPEN,
  type BreakerRow,
  type BreakerRule,
  breakerRetryAfterMs,
  breakerShare,
  CAUSE_CONSECUTIVE_FAILURES,
  CAUSE_FAILURE_RATE,
  canPassBreaker,
  countSuccesses,
  endOpenPeriod,
  HALF_OPEN_RETRY_MS,
  isTicketCurrent,
  OUTCOME_CANCELLED,
  OUTCOME_FAILURE,
  OUTCOME_SUCCESS,
  type Outcome,
  passBreaker,
  settleCall,
  settleProbe,
} from '../../../../src/policy/circuit-breaker/circuit-breaker.js';
import { aBreakerRow as aRow } from '../../../support/breaker-row.js';

const RULE: BreakerRule = {
  failureThreshold: 3,
  failureRate: null,
  openForMs: 1000,
  openForMaxMs: 1000,
  halfOpenRequests: 2,
  rampUpMs: 0,
};

const RATE_RULE: BreakerRule = {
  ...RULE,
  failureThreshold: 1000,
  failureRate: { percent: 50, minimumRequests: 4, windowMs: 1000 },
};

function anOpenRow(nowMs: number, rule = RULE): BreakerRow {
  const row = aRow();
  for (let count = 0; count < 3; count += 1) settleCall(row, rule, OUTCOME_FAILURE, nowMs);
  return row;
}

/** What the table does: a ticket that is out of date changes nothing. */
function settle(row: BreakerRow, ticket: number, outcome: Outcome, nowMs: number): void {
  if (ticket === 0) settleCall(row, RULE, outcome, nowMs);
  else if (isTicketCurrent(row, ticket)) settleProbe(row, RULE, outcome, nowMs);
}

describe('circuit breaker', () => {
  it('lets a probe through before its time when the target is known to be back', () => {
    const row = anOpenRow(0);
    expect(canPassBreaker(row, RULE, 500)).toBe(false);
    endOpenPeriod(row, 500);
    expect(canPassBreaker(row, RULE, 500)).toBe(true);
    expect(passBreaker(row, RULE, 500)).toBeGreaterThan(0);
    settleProbe(row, RULE, OUTCOME_FAILURE, 501);
    expect(canPassBreaker(row, RULE, 501 + RULE.openForMs - 1)).toBe(false);
    const closed = aRow();
    endOpenPeriod(closed, 500);
    expect(closed).toMatchObject({ state: BREAKER_CLOSED, sinceMs: 0 });
  });

  it('stays closed below the threshold and opens at it', () => {
    const row = aRow();
    settleCall(row, RULE, OUTCOME_FAILURE, 10);
    settleCall(row, RULE, OUTCOME_FAILURE, 20);
    expect(row.state).toBe(BREAKER_CLOSED);
    expect(passBreaker(row, RULE, 20)).toBe(0);
    settleCall(row, RULE, OUTCOME_FAILURE, 30);
    expect(row).toMatchObject({ state: BREAKER_OPEN, sinceMs: 30, probes: 0 });
    expect(canPassBreaker(row, RULE, 30)).toBe(false);
  });

  it('counts failures in a row: a success begins anew, a cancelled call changes nothing', () => {
    const row = aRow();
    const outcomes = [OUTCOME_FAILURE, OUTCOME_FAILURE, OUTCOME_SUCCESS, OUTCOME_FAILURE] as const;
    for (const outcome of outcomes) settleCall(row, RULE, outcome, 1);
    settleCall(row, RULE, OUTCOME_CANCELLED, 1);
    settleCall(row, RULE, OUTCOME_FAILURE, 1);
    expect(row.state).toBe(BREAKER_CLOSED);
    settleCall(row, RULE, OUTCOME_FAILURE, 1);
    expect(row.state).toBe(BREAKER_OPEN);
  });

  it('lets the first probe pass when the open time is over, not before', () => {
    const row = anOpenRow(0);
    expect(canPassBreaker(row, RULE, 999.9)).toBe(false);
    expect(breakerRetryAfterMs(row, 999.9)).toBe(1);
    expect(canPassBreaker(row, RULE, 1000)).toBe(true);
    expect(passBreaker(row, RULE, 1000)).toBeGreaterThan(0);
    expect(row.state).toBe(BREAKER_HALF_OPEN);
  });

  it('lets no more probes be in flight than allowed, and gives a place back when one ends', () => {
    const row = anOpenRow(0);
    const first = passBreaker(row, RULE, 1000);
    passBreaker(row, RULE, 1000);
    expect(canPassBreaker(row, RULE, 1000)).toBe(false);
    expect(breakerRetryAfterMs(row, 1000)).toBe(HALF_OPEN_RETRY_MS);
    settle(row, first, OUTCOME_CANCELLED, 1001);
    expect(row.state).toBe(BREAKER_HALF_OPEN);
    expect(canPassBreaker(row, RULE, 1001)).toBe(true);
  });

  it('closes when a probe succeeds and opens when one fails', () => {
    const closing = anOpenRow(0);
    settle(closing, passBreaker(closing, RULE, 1000), OUTCOME_SUCCESS, 1005);
    expect(closing).toMatchObject({ state: BREAKER_CLOSED, probes: 0, failures: 0 });
    const opening = anOpenRow(0);
    settle(opening, passBreaker(opening, RULE, 1000), OUTCOME_FAILURE, 1005);
    expect(opening).toMatchObject({ state: BREAKER_OPEN, probes: 0, sinceMs: 1005 });
    expect(canPassBreaker(opening, RULE, 2004)).toBe(false);
  });

  it('takes no notice of calls that were admitted before it opened', () => {
    const row = anOpenRow(0);
    const probe = passBreaker(row, RULE, 1000);
    for (const late of [OUTCOME_SUCCESS, OUTCOME_FAILURE] as const) settle(row, 0, late, 1001);
    expect(row).toMatchObject({ state: BREAKER_HALF_OPEN, probes: 1 });
    settle(row, probe, OUTCOME_FAILURE, 1002);
    const next = passBreaker(row, RULE, 2002);
    settle(row, probe, OUTCOME_SUCCESS, 2003);
    expect(row).toMatchObject({ state: BREAKER_HALF_OPEN, probes: 1 });
    expect(next).not.toBe(probe);
  });

  it('gives tickets above 0 when generation and serial begin anew', () => {
    const row = Object.assign(anOpenRow(0), { generation: 0x7fff, serial: 0xffff });
    const ticket = passBreaker(row, RULE, 1000);
    expect(ticket).toBeGreaterThan(0);
    expect(isTicketCurrent(row, ticket)).toBe(true);
  });

  it('lets others through in the place of probes that take longer than the open time', () => {
    const row = anOpenRow(0);
    const lost = [passBreaker(row, RULE, 1000), passBreaker(row, RULE, 1000)];
    expect(canPassBreaker(row, RULE, 1999.9)).toBe(false);
    expect(canPassBreaker(row, RULE, 2000)).toBe(true);
    const ticket = passBreaker(row, RULE, 2000);
    expect(row).toMatchObject({ state: BREAKER_HALF_OPEN, probes: 1, sinceMs: 2000 });
    for (const late of lost) settle(row, late, OUTCOME_FAILURE, 2001);
    expect(row.state).toBe(BREAKER_HALF_OPEN);
    settle(row, ticket, OUTCOME_SUCCESS, 2002);
    expect(row.state).toBe(BREAKER_CLOSED);
  });

  it('stays open for twice as long each time that the probe fails, up to the most', () => {
    const rule = { ...RULE, openForMaxMs: 3000 };
    const row = anOpenRow(0, rule);
    const times: number[] = [];
    let nowMs = 0;
    for (let round = 0; round < 4; round += 1) {
      times.push(row.openForMs);
      nowMs += row.openForMs;
      passBreaker(row, rule, nowMs);
      settleProbe(row, rule, OUTCOME_FAILURE, nowMs);
    }
    expect(times).toEqual([1000, 2000, 3000, 3000]);
    passBreaker(row, rule, nowMs + 3000);
    settleProbe(row, rule, OUTCOME_SUCCESS, nowMs + 3000);
    for (let count = 0; count < 3; count += 1) settleCall(row, rule, OUTCOME_FAILURE, nowMs + 3001);
    expect(row.openForMs).toBe(1000);
  });

  it('takes a failure while it ramps up as no recovery', () => {
    const rule = { ...RULE, openForMaxMs: 8000, rampUpMs: 500 };
    const row = anOpenRow(0, rule);
    const failAgainAt = (nowMs: number): number => {
      passBreaker(row, rule, nowMs - 499);
      settleProbe(row, rule, OUTCOME_SUCCESS, nowMs - 499);
      for (let count = 0; count < 3; count += 1) settleCall(row, rule, OUTCOME_FAILURE, nowMs);
      return row.openForMs;
    };
    expect(failAgainAt(2000)).toBe(2000);
    passBreaker(row, rule, 5000);
    settleProbe(row, rule, OUTCOME_SUCCESS, 5000);
    for (let count = 0; count < 3; count += 1) settleCall(row, rule, OUTCOME_FAILURE, 5500);
    expect(row.openForMs).toBe(1000);
  });

  it('takes a tenth at once after it recovered, and all when the ramp is over', () => {
    const rule = { ...RULE, rampUpMs: 1000 };
    const row = anOpenRow(0, rule);
    passBreaker(row, rule, 1000);
    expect(breakerShare(row, rule, 1000)).toBe(1);
    settleProbe(row, rule, OUTCOME_SUCCESS, 1000);
    const shares = [1000, 1500, 1999, 2000].map((nowMs) => breakerShare(row, rule, nowMs));
    expect(shares.map((share) => share.toFixed(2))).toEqual(['0.10', '0.55', '1.00', '1.00']);
    expect(breakerShare(aRow(), rule, 5)).toBe(1);
  });

  it('opens when too many of the last while fail, not below the minimum of samples', () => {
    const row = aRow();
    settleCall(row, RATE_RULE, OUTCOME_FAILURE, 0);
    countSuccesses(row, RATE_RULE, 1, 0);
    settleCall(row, RATE_RULE, OUTCOME_FAILURE, 0);
    expect(row.state).toBe(BREAKER_CLOSED);
    settleCall(row, RATE_RULE, OUTCOME_FAILURE, 0);
    expect(row).toMatchObject({ state: BREAKER_OPEN, cause: CAUSE_FAILURE_RATE });
  });

  it('forgets what lies further back than the window, and everything when it changes state', () => {
    const row = aRow();
    for (let count = 0; count < 3; count += 1) settleCall(row, RATE_RULE, OUTCOME_FAILURE, 0);
    settleCall(row, RATE_RULE, OUTCOME_FAILURE, 1000);
    expect(row.state).toBe(BREAKER_CLOSED);
    for (let count = 0; count < 3; count += 1) settleCall(row, RATE_RULE, OUTCOME_FAILURE, 1001);
    expect(row.state).toBe(BREAKER_OPEN);
    passBreaker(row, RATE_RULE, 2001);
    settleProbe(row, RATE_RULE, OUTCOME_SUCCESS, 2001);
    for (let count = 0; count < 3; count += 1) settleCall(row, RATE_RULE, OUTCOME_FAILURE, 2001);
    expect(row.state).toBe(BREAKER_CLOSED);
  });

  it('judges the rate like one that remembers every outcome, to a sub-window', () => {
    const events = fc.array(
      fc.record({ gapMs: fc.integer({ min: 0, max: 300 }), isFailure: fc.boolean() }),
      { maxLength: 200 },
    );
    fc.assert(
      fc.property(events, (list) => {
        const row = aRow();
        const outcomes: { subWindow: number; isFailure: boolean }[] = [];
        let nowMs = 0;
        for (const { gapMs, isFailure } of list) {
          nowMs += gapMs;
          const subWindow = Math.floor(nowMs / 100);
          outcomes.push({ subWindow, isFailure });
          if (isFailure) settleCall(row, RATE_RULE, OUTCOME_FAILURE, nowMs);
          else countSuccesses(row, RATE_RULE, 1, nowMs);
          const recent = outcomes.filter((one) => subWindow - one.subWindow < 10);
          const failures = recent.filter((one) => one.isFailure).length;
          const isExceeded = recent.length >= 4 && failures * 2 >= recent.length;
          expect(row.state).toBe(isFailure && isExceeded ? BREAKER_OPEN : BREAKER_CLOSED);
          if (row.state === BREAKER_OPEN) return;
        }
      }),
    );
  });

  it('says why it opened', () => {
    expect(anOpenRow(0).cause).toBe(CAUSE_CONSECUTIVE_FAILURES);
  });

  it('behaves like a naive breaker that remembers every call, whatever happens', () => {
    const events = fc.array(
      fc.record({
        gapMs: fc.integer({ min: 0, max: 400 }),
        outcome: fc.constantFrom(OUTCOME_SUCCESS, OUTCOME_FAILURE, OUTCOME_CANCELLED),
        /** Settle the call that is so far back among those in flight, or make a new one. */
        pick: fc.integer({ min: -3, max: 5 }),
      }),
      { maxLength: 300 },
    );
    fc.assert(
      fc.property(events, (list) => {
        const row = aRow();
        const naive = new NaiveBreaker();
        const calls: { ticket: number; call: NaiveCall }[] = [];
        let nowMs = 0;
        for (const { gapMs, outcome, pick } of list) {
          nowMs += gapMs;
          if (pick < 0) {
            const canPass = canPassBreaker(row, RULE, nowMs);
            expect(canPass).toBe(naive.canPass(nowMs));
            if (!canPass) continue;
            calls.push({ ticket: passBreaker(row, RULE, nowMs), call: naive.pass(nowMs) });
          } else {
            const [ended] = calls.splice(pick, 1);
            if (ended === undefined) continue;
            settle(row, ended.ticket, outcome, nowMs);
            naive.settle(ended.call, outcome, nowMs);
          }
          expect(row.state).toBe(naive.state);
          expect(row.probes).toBe(naive.probes.size);
          expect(row.probes).toBeLessThanOrEqual(RULE.halfOpenRequests);
        }
      }),
    );
  });
});

interface NaiveCall {
  readonly isProbe: boolean;
}

class NaiveBreaker {
  state: number = BREAKER_CLOSED;
  probes = new Set<NaiveCall>();
  private outcomes: Outcome[] = [];
  private openedMs = 0;

  canPass(nowMs: number): boolean {
    if (this.state === BREAKER_OPEN) return nowMs >= this.openedMs + RULE.openForMs;
    if (this.state === BREAKER_CLOSED || this.probes.size < RULE.halfOpenRequests) return true;
    return nowMs >= this.openedMs + RULE.openForMs;
  }

  pass(nowMs: number): NaiveCall {
    const call = { isProbe: this.state !== BREAKER_CLOSED };
    if (call.isProbe) {
      const isFull = this.probes.size >= RULE.halfOpenRequests;
      if (this.state === BREAKER_OPEN || isFull) this.goTo(BREAKER_HALF_OPEN, nowMs);
      this.probes.add(call);
    }
    return call;
  }

  settle(call: NaiveCall, outcome: Outcome, nowMs: number): void {
    if (call.isProbe ? !this.probes.delete(call) : this.state !== BREAKER_CLOSED) return;
    if (outcome === OUTCOME_CANCELLED) return;
    if (call.isProbe) {
      this.goTo(outcome === OUTCOME_SUCCESS ? BREAKER_CLOSED : BREAKER_OPEN, nowMs);
      return;
    }
    this.outcomes.push(outcome);
    const last = this.outcomes.slice(-RULE.failureThreshold);
    const areFailures = last.every((one) => one === OUTCOME_FAILURE);
    if (last.length === RULE.failureThreshold && areFailures) this.goTo(BREAKER_OPEN, nowMs);
  }

  private goTo(state: number, nowMs: number): void {
    this.state = state;
    this.openedMs = nowMs;
    this.probes.clear();
    this.outcomes = [];
  }
}
