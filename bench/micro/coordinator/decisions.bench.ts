/**
 * Question: how many decisions a second does the coordinator make on one core, when it is asked
 * in batches?
 *
 * All on one thread: asks are written into a real ring, the coordinator decides and writes its
 * replies, the worker's end reads them. The whole way is measured, writing and reading included.
 * The alternative is the plainest thing that is as exact: a Map of arrays of timestamps, called
 * directly, without rings and without shared memory.
 */
import { CoordinatorWorkerEnd } from '../../../src/channel/coordinator/coordinator-channel.js';
import { CoordinatorEnd } from '../../../src/channel/coordinator/coordinator-end.js';
import { laneMemoryOf } from '../../../src/channel/coordinator/coordinator-memory.js';
import { addLimit, createAskFields } from '../../../src/channel/coordinator/coordinator-records.js';
import type { RateLimitConfig } from '../../../src/config/gateway-config.js';
import { shareConfig } from '../../../src/config/shared/share-config.js';
import { openConfig } from '../../../src/config/shared/shared-config.js';
import { Coordinator } from '../../../src/coordinator/coordinator.js';
import { allocateCoordinatorMemory } from '../../../src/coordinator/coordinator-setup.js';
import { seededRandom } from '../../../src/policy/load-balancing/seeded-random.js';
import { compileConfig } from '../../../test/support/compile-config.js';
import { type Bench, fold } from '../../support/bench-harness.js';

const LIMIT = 10;
const WINDOW_MS = 60_000;
const GAP_MS = 0.01;
const SEED = 5;

export const bench: Bench = {
  question: 'how many decisions a second does the coordinator make when asked in batches?',

  run(context) {
    const keyCount = context.parameter('keys', 16, 10_000);
    const batch = context.parameter('batch', 16, 256);
    const operations = context.parameter('decisions', 64, 65_536);
    const random = seededRandom(SEED);
    const keys = Int32Array.from({ length: operations }, () => Math.floor(random() * keyCount));
    const window = { limit: LIMIT, window: '60s' } as const;
    const bucket = { ...window, algorithm: 'tokenBucket' } as const;
    const cases: [string, RateLimitConfig[]][] = [
      ['no limit', []],
      ['one sliding window', [window]],
      ['one token bucket', [bucket]],
      ['two limits', [window, { ...bucket, name: 'second' }]],
    ];
    return context.measureEach([
      ...cases.map(([name, limits]) => ({
        name: `coordinator: ${name}`,
        role: 'subject' as const,
        operations,
        run: decideByCoordinator(keys, batch, limits),
      })),
      {
        name: 'Map of timestamp arrays: one sliding window',
        role: 'alternative',
        operations,
        run: decideByMap(keys),
      },
    ]);
  },
};

function decideByCoordinator(keys: Int32Array, batch: number, rateLimit: RateLimitConfig[]) {
  const config = compileConfig({
    workers: 1,
    upstreams: { api: { targets: [{ url: 'http://127.0.0.1:1' }, { url: 'http://127.0.0.1:2' }] } },
    routes: [
      {
        name: 'all',
        match: { path: '/*' },
        upstream: 'api',
        ...(rateLimit.length === 0 ? {} : { rateLimit }),
      },
    ],
  });
  const memory = allocateCoordinatorMemory(config);
  const nothing = () => undefined;
  const coordinator = new Coordinator(openConfig(shareConfig(config)), memory, {
    onBreakerTransition: nothing,
    onHealthTransition: nothing,
    onMail: nothing,
    onStop: nothing,
  });
  const end = new CoordinatorEnd(memory);
  const worker = new CoordinatorWorkerEnd(laneMemoryOf(memory, 0));
  const ask = createAskFields();
  let checksum = 0;
  const onReply = (reply: { readonly verdict: number; readonly targetIndex: number }) => {
    checksum = fold(checksum, reply.verdict);
    if (reply.targetIndex >= 0) worker.tellOutcome(reply.targetIndex, 0, 1, 0);
    return true;
  };
  let nowMs = 1;
  return () => {
    checksum = 0;
    for (let start = 0; start < keys.length; start += batch) {
      for (let at = start; at < start + batch; at += 1) {
        const key = keys[at] as number;
        ask.askId = at;
        ask.limitCount = 0;
        for (const limiter of config.limiters) addLimit(ask, limiter.index, key, key * 31);
        worker.ask(ask);
      }
      worker.flush();
      nowMs += GAP_MS * batch;
      end.drain(coordinator, nowMs);
      worker.drainReplies({ onReply });
    }
    return checksum;
  };
}

function decideByMap(keys: Int32Array): () => number {
  const logs = new Map<number, number[]>();
  let nowMs = 1;
  return () => {
    let checksum = 0;
    for (let at = 0; at < keys.length; at += 1) {
      nowMs += GAP_MS;
      const key = keys[at] as number;
      const log = (logs.get(key) ?? []).filter((stampMs) => nowMs - stampMs < WINDOW_MS);
      const isAdmitted = log.length < LIMIT;
      if (isAdmitted) log.push(nowMs);
      logs.set(key, log);
      checksum = fold(checksum, isAdmitted ? 1 : 2);
    }
    return checksum;
  };
}
