/**
 * Limits of a route whose costs the replies of targets tell.
 *
 * Thread: worker.
 */
import type { CompiledLimiter, ToldCost } from '../../config/compiled-config.js';

/** A limit of a route, and where replies tell the cost. */
export interface CostSource {
  readonly limiterIndex: number;
  /** What a request pays of which nobody tells. */
  readonly reserve: number;
  readonly told: ToldCost;
}

/** The limits whose costs replies tell; null: there is none. */
export function costSourcesOf(limiters: readonly CompiledLimiter[]): readonly CostSource[] | null {
  const sources = limiters.flatMap(({ index, cost, told }) =>
    told === undefined ? [] : [{ limiterIndex: index, reserve: cost, told }],
  );
  return sources.length === 0 ? null : sources;
}
