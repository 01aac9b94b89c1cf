/**
 * Question: what do the question and the outcome of one call cost at a circuit breaker, against
 * a breaker that wraps each call in a closure and keeps its state by name, as libraries do?
 */
import {
  BREAKER_CLOSED,
  type BreakerRow,
  type BreakerRule,
  CAUSE_NONE,
  canPassBreaker,
  isTicketCurrent,
  OUTCOME_FAILURE,
  OUTCOME_SUCCESS,
  passBreaker,
  settleCall,
  settleProbe,
  TICKET_NONE,
} from '../../../src/policy/circuit-breaker/circuit-breaker.js';
import { SUB_WINDOWS } from '../../../src/policy/circuit-breaker/rolling-counts.js';
import { seededRandom } from '../../../src/policy/load-balancing/seeded-random.js';
import { type Bench, fold } from '../../support/bench-harness.js';

const RULE: BreakerRule = {
  failureThreshold: 5,
  failureRate: null,
  openForMs: 20,
  openForMaxMs: 20,
  halfOpenRequests: 1,
  rampUpMs: 0,
};
const SEED = 3;
const FALLS_SICK = 0.02;
const FAILURES_WHILE_SICK = 0.9;
const SICK_CALLS = 15;

export const bench: Bench = {
  question: 'what do the admission and the outcome of one call cost at a circuit breaker?',

  run(context) {
    const targetCount = context.parameter('targets', 2, 16);
    const operations = context.parameter('calls', 256, 8192);
    const targets = Int32Array.from({ length: operations }, (_, at) => at % targetCount);
    const failures = makeFailures(targets, targetCount);
    return context.measure([
      {
        name: 'circuit-breaker: row and integer states',
        role: 'subject',
        operations,
        run: callThroughRows(targets, failures, targetCount),
      },
      {
        name: 'circuit-breaker: closure and named states',
        role: 'alternative',
        operations,
        run: callThroughClosures(targets, failures, targetCount),
      },
    ]);
  },
};

/** Calls succeed, apart from stretches in which most calls of one target fail. */
function makeFailures(targets: Int32Array, targetCount: number): Uint8Array {
  const random = seededRandom(SEED);
  const sickCalls = new Int32Array(targetCount);
  return Uint8Array.from(targets, (target) => {
    if (sickCalls[target] === 0 && random() < FALLS_SICK) sickCalls[target] = SICK_CALLS;
    if (sickCalls[target] === 0) return 0;
    sickCalls[target] = (sickCalls[target] as number) - 1;
    return random() < FAILURES_WHILE_SICK ? 1 : 0;
  });
}

function callThroughRows(
  targets: Int32Array,
  failures: Uint8Array,
  targetCount: number,
): () => number {
  const rows: BreakerRow[] = Array.from({ length: targetCount }, () => new PlainRow());
  let nowMs = 0;
  return () => {
    let checksum = 0;
    for (let at = 0; at < targets.length; at += 1) {
      nowMs += 1;
      const row = rows[targets[at] as number] as BreakerRow;
      const isAdmitted = canPassBreaker(row, RULE, nowMs);
      if (isAdmitted) {
        const ticket = passBreaker(row, RULE, nowMs);
        const outcome = failures[at] === 1 ? OUTCOME_FAILURE : OUTCOME_SUCCESS;
        if (ticket === TICKET_NONE) settleCall(row, RULE, outcome, nowMs);
        else if (isTicketCurrent(row, ticket)) settleProbe(row, RULE, outcome, nowMs);
      }
      checksum = fold(checksum, isAdmitted ? 1 : 0);
    }
    return checksum;
  };
}

class PlainRow implements BreakerRow {
  state: BreakerRow['state'] = BREAKER_CLOSED;
  cause: BreakerRow['cause'] = CAUSE_NONE;
  failures = 0;
  generation = 0;
  probes = 0;
  serial = 0;
  sinceMs = 0;
  openForMs = 0;
  rollingSerial = 0;
  private readonly counts = new Int32Array(2 * SUB_WINDOWS);

  successesAt(slot: number): number {
    return this.counts[slot] as number;
  }

  failuresAt(slot: number): number {
    return this.counts[SUB_WINDOWS + slot] as number;
  }

  setCountsAt(slot: number, successes: number, failures: number): void {
    this.counts[slot] = successes;
    this.counts[SUB_WINDOWS + slot] = failures;
  }
}

class ClosureBreaker {
  private state: 'closed' | 'open' | 'half-open' = 'closed';
  private failures = 0;
  private openedMs = 0;

  /** Calls `action` unless open; false: it was not called. */
  fire(nowMs: number, action: () => boolean): boolean {
    if (this.state === 'open') {
      if (nowMs - this.openedMs < RULE.openForMs) return false;
      this.state = 'half-open';
    }
    if (action()) {
      this.state = 'closed';
      this.failures = 0;
      return true;
    }
    this.failures += 1;
    if (this.state === 'half-open' || this.failures >= RULE.failureThreshold) {
      this.state = 'open';
      this.openedMs = nowMs;
      this.failures = 0;
    }
    return true;
  }
}

function callThroughClosures(
  targets: Int32Array,
  failures: Uint8Array,
  targetCount: number,
): () => number {
  const breakers = Array.from({ length: targetCount }, () => new ClosureBreaker());
  let nowMs = 0;
  return () => {
    let checksum = 0;
    for (let at = 0; at < targets.length; at += 1) {
      nowMs += 1;
      const breaker = breakers[targets[at] as number] as ClosureBreaker;
      const isAdmitted = breaker.fire(nowMs, () => failures[at] === 0);
      checksum = fold(checksum, isAdmitted ? 1 : 0);
    }
    return checksum;
  };
}
