/** A breaker's row in plain memory: closed, and never anything else so far. */
import {
  BREAKER_CLOSED,
  type BreakerRow,
} from '../../src/policy/circuit-breaker/circuit-breaker.js';

export function aBreakerRow(): BreakerRow {
  const successes = new Map<number, number>();
  const failures = new Map<number, number>();
  return {
    state: BREAKER_CLOSED,
    cause: 0,
    failures: 0,
    generation: 0,
    probes: 0,
    serial: 0,
    sinceMs: 0,
    openForMs: 0,
    rollingSerial: 0,
    successesAt: (slot) => successes.get(slot) ?? 0,
    failuresAt: (slot) => failures.get(slot) ?? 0,
    setCountsAt: (slot, good, bad) => {
      successes.set(slot, good);
      failures.set(slot, bad);
    },
  };
}
