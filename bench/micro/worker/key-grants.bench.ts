/**
 * Question: what does an admission cost a worker that holds grants for its key and its target?
 *
 * The subject is all that the worker does: hash the key, find the grant, take a turn of the
 * upstream, take an admission. The alternative is the least one could do: a Map from the key as
 * text to what is left, and a counter for the turns; it is neither keyed nor bounded.
 */
import { HalfSipHash } from '../../../src/base/half-sip-hash.js';
import {
  addLimit,
  createAskFields,
  GRANT_COUNT_MAX,
} from '../../../src/channel/coordinator/coordinator-records.js';
import { KeyGrants } from '../../../src/worker/admission/key-grants.js';
import { TargetGrants } from '../../../src/worker/admission/target-grants.js';
import { type Bench, fold } from '../../support/bench-harness.js';

const KEY_PARTS = 4;
const NOW_MS = 1000;

export const bench: Bench = {
  question: 'what does an admission under a grant cost?',

  run(context) {
    const operations = context.parameter('admissions', 64, 16_384);
    const keyCount = context.parameter('hot keys', 4, 64);
    const keys = Array.from({ length: keyCount }, (_, at) => `i203.0.113.${at}`);
    return context.measureEach([
      {
        name: 'worker: admission under grants',
        role: 'subject',
        operations,
        run: admitUnderGrants(keys, operations),
      },
      {
        name: 'worker: the key as text in a Map',
        role: 'alternative',
        operations,
        run: admitByMap(keys, operations),
      },
    ]);
  },
};

/** Refilled without a reply: as if the next grant had always come in time. */
function admitUnderGrants(keys: readonly string[], operations: number): () => number {
  const hash = new HalfSipHash(1, 2);
  const grants = new KeyGrants(() => undefined);
  const targets = new TargetGrants([[0, 1, 2]], { isFree: () => true }, { serialOf: () => 0 });
  const turns = {
    upstreamIndex: 0,
    askFlags: 1,
    grantCount: GRANT_COUNT_MAX,
    standing: 0,
    grantPositionAt: (turn: number) => turn % 3,
  };
  const refill = {
    keyGrantCount: 64,
    keyGrantUntil: NOW_MS + 100,
    limiterIndex: 0,
    remaining: 500,
    resetMs: 1,
  };
  const ask = createAskFields();
  return () => {
    let checksum = 0;
    for (let at = 0; at < operations; at += 1) {
      hash.hash(keys[at % keys.length] ?? '');
      const { high, low } = hash;
      ask.limitCount = 0;
      addLimit(ask, 0, high, low);
      const grant = grants.entryOf(ask, NOW_MS);
      if (!grant.isValid(NOW_MS)) grant.receive(refill, NOW_MS);
      let target = targets.tryTake(0, NOW_MS);
      if (target === -1) {
        targets.onReply(turns, NOW_MS);
        target = targets.tryTake(0, NOW_MS);
      }
      grant.take();
      checksum = fold(checksum, target * KEY_PARTS + 1);
    }
    return checksum;
  };
}

function admitByMap(keys: readonly string[], operations: number): () => number {
  const left = new Map<string, number>();
  let turn = 0;
  return () => {
    let checksum = 0;
    for (let at = 0; at < operations; at += 1) {
      const key = keys[at % keys.length] ?? '';
      const count = left.get(key) ?? 0;
      left.set(key, count === 0 ? 64 : count - 1);
      turn = (turn + 1) % 3;
      checksum = fold(checksum, turn * KEY_PARTS + 1);
    }
    return checksum;
  };
}
