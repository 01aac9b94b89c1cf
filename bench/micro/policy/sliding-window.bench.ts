/**
 * Question: what does one decision of the exact sliding window cost, against the array of
 * timestamps that is filtered for each request?
 *
 * Both are exact, so they must admit the same requests; the checksum says so.
 */

import { seededRandom } from '../../../src/policy/load-balancing/seeded-random.js';
import { RateDecision } from '../../../src/policy/rate-limit/rate-decision.js';
import {
  commitSlidingWindow,
  peekSlidingWindow,
  type SlidingLog,
  slidingWindowRule,
} from '../../../src/policy/rate-limit/sliding-window.js';
import { type Bench, fold } from '../../support/bench-harness.js';

const LIMIT = 60;
const WINDOW_MS = 60_000;
const LOG_ENTRIES = 64;
const SEED = 2;
const GAP_MS_MAX = 12;

export const bench: Bench = {
  question: 'what does one decision of a sliding window of 60 a minute cost?',

  run(context) {
    const keyCount = context.parameter('keys', 1, 128);
    const operations = context.parameter('decisions', 128, 8192);
    const random = seededRandom(SEED);
    const keys = Int32Array.from({ length: operations }, () => Math.floor(random() * keyCount));
    const gaps = Int32Array.from({ length: operations }, () => Math.floor(random() * GAP_MS_MAX));
    return context.measure([
      {
        name: 'sliding-window: circular log',
        role: 'subject',
        operations,
        run: decideByLog(keys, gaps, keyCount),
      },
      {
        name: 'sliding-window: filtered array',
        role: 'alternative',
        operations,
        run: decideByFilter(keys, gaps, keyCount),
      },
    ]);
  },
};

/** The log in typed arrays of its own; the gateway keeps the same numbers in shared rows. */
class CircularLog implements SlidingLog {
  readonly capacity = LOG_ENTRIES;
  head = 0;
  length = 0;
  total = 0;
  newestTick = 0;
  private readonly stamps = new Int32Array(LOG_ENTRIES);
  private readonly counts = new Int32Array(LOG_ENTRIES);

  stampAt(index: number): number {
    return this.stamps[index] as number;
  }

  clear(): void {
    this.head = 0;
    this.length = 0;
    this.total = 0;
  }

  dropOldest(): void {
    this.total -= this.counts[this.head] as number;
    this.head = (this.head + 1) % LOG_ENTRIES;
    this.length -= 1;
  }

  append(stampMs: number): void {
    const at = (this.head + this.length) % LOG_ENTRIES;
    this.stamps[at] = stampMs | 0;
    this.counts[at] = 1;
    this.length += 1;
    this.total += 1;
    this.newestTick = stampMs;
  }

  mergeSmallest(): void {}

  takeOut(): number {
    return 0;
  }

  mergeIntoNewest(stampMs: number): void {
    const at = (this.head + this.length - 1) % LOG_ENTRIES;
    this.stamps[at] = stampMs | 0;
    this.counts[at] = (this.counts[at] as number) + 1;
    this.total += 1;
    this.newestTick = stampMs;
  }
}

function decideByLog(keys: Int32Array, gaps: Int32Array, keyCount: number): () => number {
  const rule = slidingWindowRule({ limit: LIMIT, windowMs: WINDOW_MS, cost: 1 }, LOG_ENTRIES);
  const decision = new RateDecision();
  const logs = Array.from({ length: keyCount }, () => new CircularLog());
  let nowMs = 0;
  return () => {
    let checksum = 0;
    for (let at = 0; at < keys.length; at += 1) {
      nowMs += gaps[at] as number;
      const log = logs[keys[at] as number] as CircularLog;
      const isAdmitted = peekSlidingWindow(log, rule, nowMs, decision);
      if (isAdmitted) commitSlidingWindow(log, rule, nowMs, decision);
      checksum = fold(checksum, isAdmitted ? 1 + decision.remaining : 0);
    }
    return checksum;
  };
}

function decideByFilter(keys: Int32Array, gaps: Int32Array, keyCount: number): () => number {
  const logs: number[][] = Array.from({ length: keyCount }, () => []);
  let nowMs = 0;
  return () => {
    let checksum = 0;
    for (let at = 0; at < keys.length; at += 1) {
      nowMs += gaps[at] as number;
      const key = keys[at] as number;
      const since = nowMs - WINDOW_MS;
      const log = (logs[key] as number[]).filter((stampMs) => stampMs > since);
      logs[key] = log;
      const isAdmitted = log.length < LIMIT;
      if (isAdmitted) log.push(nowMs);
      checksum = fold(checksum, isAdmitted ? 1 + LIMIT - log.length : 0);
    }
    return checksum;
  };
}
