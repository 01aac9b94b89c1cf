/**
 * What the new sides of splits have, for whoever decides without a running gateway.
 *
 * Thread: supervisor (on the main thread).
 */
import { RolloutView } from '../channel/coordinator/rollout-memory.js';
import type { ServedConfig } from '../config/shared/shared-config.js';
import type { ShareSource } from '../worker/admission/route-side.js';
import type { ExplainContext } from './explain-context.js';

type Rollouts = Pick<ServedConfig, 'rollouts'>;

/** As every rollout begins, or as it ends when nothing stops it. */
export function sharesAt(when: 'begin' | 'end', { rollouts }: Rollouts): ShareSource {
  const shares = new Map(
    rollouts.map(({ index, fromShare, toShare }) => [
      index,
      when === 'begin' ? fromShare : toShare,
    ]),
  );
  return { shareOf: (row) => shares.get(row) ?? 0 };
}

/** As they are now; without a running gateway as they begin. */
export function sharesIn({
  memory,
  config,
}: Pick<ExplainContext, 'memory' | 'config'>): ShareSource {
  if (memory === null) return sharesAt('begin', config);
  return new RolloutView(memory.rollouts, config.capacity.rollouts);
}
