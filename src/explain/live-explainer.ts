/**
 * Explains requests to the running gateway, by its configuration and the present state of its
 * tables.
 *
 * Thread: supervisor (on the main thread). Owns the compiled routes of the configuration of the
 * last explanation.
 */
import type { NotedRefusal } from '../admin/recent-refusals.js';
import type { Recent } from '../admin/recent-rows.js';
import { type Clock, momentOf } from '../base/clock.js';
import type { CacheMemory } from '../channel/cache/cache-memory.js';
import type { CoordinatorMemory } from '../channel/coordinator/coordinator-memory.js';
import type { ServedConfig } from '../config/shared/shared-config.js';
import {
  bucketRowCount,
  bucketTableBytes,
  COMPACT_ROW_WORDS,
  LARGE_ROW_WORDS,
  WIDE_ROW_WORDS,
} from '../coordinator/state/bucket-layout.js';
import { BucketTable } from '../coordinator/state/bucket-table.js';
import { OFFLINE_AUTHENTICATORS } from '../supervisor/loading/offline-authenticators.js';
import { WorkerEpoch } from '../worker/worker-epoch.js';
import { CacheCopy } from './cache-copy.js';
import type { ExplainContext } from './explain-context.js';
import { explainRequest } from './explain-request.js';
import { listenerProblem } from './locate.js';
import { readExplainedRequest } from './read-request.js';
import { findTopKeys, nameKeys, type ScannedTable } from './top-keys.js';

/** The running gateway. */
export interface LiveGateway {
  /** The configuration in force. */
  readonly config: ServedConfig;
  /** Who reads the requests of a listener. */
  readonly engineOf: ExplainContext['engineOf'];
  readonly memory: CoordinatorMemory;
  readonly cache: CacheMemory;
  readonly hashKey: readonly [number, number];
  readonly clock: Clock;
}

export class LiveExplainer {
  private epoch: WorkerEpoch | null = null;
  private readonly cache: CacheCopy;
  private readonly tables: readonly ScannedTable[];

  constructor(private readonly gateway: LiveGateway) {
    const { compactBuckets, wideBuckets, largeBuckets } = gateway.memory;
    this.cache = CacheCopy.of(gateway.cache, gateway.hashKey);
    const scanned = (source: BucketTable): ScannedTable => {
      const one = new ArrayBuffer(bucketTableBytes(bucketRowCount(1), source.rowWords));
      return { source, scratch: new BucketTable(one, source.rowWords) };
    };
    this.tables = [
      scanned(new BucketTable(compactBuckets, COMPACT_ROW_WORDS)),
      scanned(new BucketTable(wideBuckets, WIDE_ROW_WORDS)),
      scanned(new BucketTable(largeBuckets, LARGE_ROW_WORDS)),
    ];
  }

  /** The last refusals, and the keys that have used most of their limits. */
  async recent(noted: readonly NotedRefusal[]): Promise<Recent> {
    const { config, hashKey, clock } = this.gateway;
    const used = await findTopKeys(this.tables, [...config.limiters], clock.nowMs);
    const lines = noted.flatMap(({ keyLines }) => keyLines);
    return {
      refusals: noted.map(({ shown }) => shown),
      top_keys: nameKeys(used, lines, hashKey),
    };
  }

  /** Resolves with the explanation, or with what is wrong with the request. */
  async explain(value: unknown): Promise<object | string> {
    const request = readExplainedRequest(value);
    if (typeof request === 'string') return request;
    const { config, engineOf, memory, hashKey, clock } = this.gateway;
    const problem = listenerProblem(request, config);
    if (problem !== '') return problem;
    if (this.epoch?.config !== config)
      this.epoch = await WorkerEpoch.create(config, OFFLINE_AUTHENTICATORS, clock.unixMs);
    const { epoch } = this;
    return explainRequest(request, {
      config,
      epoch,
      engineOf,
      memory,
      cache: this.cache,
      hashKey,
      moment: momentOf(clock),
    });
  }
}
