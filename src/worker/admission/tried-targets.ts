/**
 * The targets that an exchange has tried, as the mask that an ask carries.
 *
 * Thread: worker. Positions beyond the mask count as not tried.
 */
import { TRIED_POSITIONS_MAX } from '../../channel/coordinator/coordinator-records.js';
import type { CompiledUpstream } from '../../config/compiled-config.js';

/** The target's bit; 0 when the mask cannot name it. */
export function bitOfTarget(upstream: CompiledUpstream, targetIndex: number): number {
  const position = upstream.targetIndexes.indexOf(targetIndex);
  return position >= 0 && position < TRIED_POSITIONS_MAX ? 1 << position : 0;
}
