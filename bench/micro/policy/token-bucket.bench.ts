/**
 * Question: what does one decision of the integer token bucket cost, against the usual bucket
 * that keeps a fraction of tokens in floating point?
 *
 * The rule refills one token a millisecond, where floating point is exact too: both must admit
 * the same requests and name the same next token, and the checksum says so. At other rates only
 * the integer one stays exact.
 */

import { seededRandom } from '../../../src/policy/load-balancing/seeded-random.js';
import { RateDecision } from '../../../src/policy/rate-limit/rate-decision.js';
import {
  commitTokenBucket,
  fillTokenBucket,
  peekTokenBucket,
  type TokenBucketState,
  tokenBucketRule,
} from '../../../src/policy/rate-limit/token-bucket.js';
import { type Bench, fold } from '../../support/bench-harness.js';

const LIMIT = 1000;
const WINDOW_MS = 1000;
const BURST = 5;
const SEED = 1;
/** The share of requests that are the first of their millisecond. */
const NEXT_MS_SHARE = 0.01;

interface Arrivals {
  /** Which bucket each request asks. */
  readonly keys: Int32Array;
  /** Whole milliseconds between a request and the one before it. */
  readonly gaps: Uint8Array;
}

export const bench: Bench = {
  question: 'what does one decision of a token bucket cost?',

  run(context) {
    const keyCount = context.parameter('buckets', 4, 1024);
    const operations = context.parameter('decisions', 64, 8192);
    const arrivals = makeArrivals(operations, keyCount);
    return context.measure([
      {
        name: 'token-bucket: peek and commit, whole units',
        role: 'subject',
        operations,
        run: decideInUnits(arrivals, keyCount),
      },
      {
        name: 'token-bucket: fraction of tokens',
        role: 'alternative',
        operations,
        run: decideInFractions(arrivals, keyCount),
      },
    ]);
  },
};

/** Busy enough that about a third is refused. */
function makeArrivals(count: number, keyCount: number): Arrivals {
  const random = seededRandom(SEED);
  const hotCount = Math.max(1, keyCount >> 6);
  const keys = Int32Array.from({ length: count }, () =>
    Math.floor(random() * (random() < 0.5 ? hotCount : keyCount)),
  );
  const gaps = Uint8Array.from({ length: count }, () => (random() < NEXT_MS_SHARE ? 1 : 0));
  return { keys, gaps };
}

function decideInUnits({ keys, gaps }: Arrivals, keyCount: number): () => number {
  const rule = tokenBucketRule({ limit: LIMIT, windowMs: WINDOW_MS, burst: BURST, cost: 1 });
  const decision = new RateDecision();
  const buckets: TokenBucketState[] = Array.from({ length: keyCount }, () => {
    const state = { level: 0, tickMs: 0, newerMs: 0, newerPeak: 0, olderMs: 0, olderPeak: 0 };
    fillTokenBucket(state, rule, 0);
    return state;
  });
  let nowMs = 0;
  return () => {
    let checksum = 0;
    for (let at = 0; at < keys.length; at += 1) {
      nowMs += gaps[at] as number;
      const state = buckets[keys[at] as number] as TokenBucketState;
      const isAdmitted = peekTokenBucket(state, rule, nowMs, decision);
      if (isAdmitted) commitTokenBucket(state, rule, nowMs, decision);
      checksum = fold(checksum, isAdmitted ? 1 + decision.remaining : 0);
      checksum = fold(checksum, decision.resetMs);
    }
    return checksum;
  };
}

interface FractionBucket {
  tokens: number;
  lastMs: number;
}

function decideInFractions({ keys, gaps }: Arrivals, keyCount: number): () => number {
  const tokensPerMs = LIMIT / WINDOW_MS;
  const buckets: FractionBucket[] = Array.from({ length: keyCount }, () => ({
    tokens: BURST,
    lastMs: 0,
  }));
  let nowMs = 0;
  return () => {
    let checksum = 0;
    for (let at = 0; at < keys.length; at += 1) {
      nowMs += gaps[at] as number;
      const bucket = buckets[keys[at] as number] as FractionBucket;
      bucket.tokens = Math.min(BURST, bucket.tokens + (nowMs - bucket.lastMs) * tokensPerMs);
      bucket.lastMs = nowMs;
      const isAdmitted = bucket.tokens >= 1;
      if (isAdmitted) bucket.tokens -= 1;
      const remaining = Math.floor(bucket.tokens);
      const untilNext = (remaining + 1 - bucket.tokens) / tokensPerMs;
      checksum = fold(checksum, isAdmitted ? 1 + remaining : 0);
      checksum = fold(checksum, remaining + 1 > BURST ? 0 : Math.ceil(untilNext));
    }
    return checksum;
  };
}
