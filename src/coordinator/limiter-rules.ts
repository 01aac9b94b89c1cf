/**
 * The limits that are in force, as decisions are made by them, over the tables of their rows.
 *
 * Thread: coordinator. Owns the rules, which are made when a limit is asked for: a configuration
 * may have thousands.
 */
import { defined } from '../base/assert.js';
import type { CompiledLimiter } from '../config/compiled-config.js';
import type { LimiterLookup } from '../config/shared/shared-config.js';
import type { ClusterLimits } from './cluster-limits.js';
import { ClusterShare } from './cluster-share.js';
import { type KeyGrantRule, keyGrantRule, NO_KEY_GRANTS } from './key-grant-rule.js';
import type { Limiter } from './limiter.js';
import { createLimiter, needsRow, rowWordsOf } from './limiters.js';
import type { HeldCounts } from './reserved-limiter.js';
import type { BucketTable } from './state/bucket-table.js';

/** One limit, as decisions are made by it. */
export interface LimiterRule {
  readonly config: CompiledLimiter;
  /** null: it has no rows. */
  readonly limiter: Limiter | null;
  readonly grants: KeyGrantRule;
  /** null: it counts over this gateway. */
  readonly share: ClusterShare | null;
}

export interface RuleParts {
  readonly tables: readonly BucketTable[];
  readonly cluster: ClusterLimits | null;
  /** How many requests of a key are in flight. */
  readonly held: HeldCounts;
}

export class LimiterRules {
  /** By limiter index. */
  private rules: (LimiterRule | undefined)[] = [];

  constructor(
    private configs: LimiterLookup,
    private readonly parts: RuleParts,
  ) {}

  /** Takes other limits, or other rules for them. */
  adopt(configs: LimiterLookup, capacity: number): void {
    this.configs = configs;
    this.rules = new Array<LimiterRule | undefined>(capacity).fill(undefined);
  }

  /** undefined: a limit of no version that is in use. */
  find(limiterIndex: number): LimiterRule | undefined {
    return this.rules[limiterIndex] ?? this.make(limiterIndex);
  }

  /** By what rows of its keys say; null: it is in no version any more. */
  limiterOfSpace(keySpace: number): Limiter | null {
    const index = this.configs.rowOfSpace(keySpace);
    if (index === -1) return null;
    const rule = this.find(index);
    return rule?.limiter ?? rule?.share?.limiter ?? null;
  }

  private make(limiterIndex: number): LimiterRule | undefined {
    const config = this.configs.find(limiterIndex);
    if (config === undefined) return undefined;
    const { cluster, held } = this.parts;
    const isShared = config.cluster !== undefined && cluster !== null && needsRow(config);
    const hasRows = needsRow(config) && !isShared;
    const rule = {
      config,
      limiter: hasRows ? createLimiter(config, this.tableOf(config), held) : null,
      // The store is told of admissions one by one: of these it would not know.
      grants: isShared ? NO_KEY_GRANTS : keyGrantRule(config),
      share: isShared ? new ClusterShare(config, this.tableOf(config), cluster, held) : null,
    };
    this.rules[limiterIndex] = rule;
    return rule;
  }

  private tableOf(limiter: CompiledLimiter): BucketTable {
    const table = this.parts.tables.find(({ rowWords }) => rowWords === rowWordsOf(limiter));
    return defined(table, 'the table of a limiter');
  }
}
