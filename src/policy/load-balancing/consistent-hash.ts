/**
 * Chooses the same target for the same hash, as long as the target is available.
 *
 * Thread: any (pure). The hash names a slot of a Maglev table. When its target is not available,
 * further slots are made from the hash: the keys of that target spread over the other targets, keys
 * of other targets stay where they are, and all come back when the target does.
 * Invariant: at most {@link PROBES_MAX} slots are read, then each target once.
 */
import { type Candidates, NO_POSITION, type Random } from './candidates.js';
import { mixHash } from './maglev-table.js';

export const PROBES_MAX = 16;

const PROBE_STEP = 0x9e3779b9;

/** Returns a position, or {@link NO_POSITION}. */
export function selectConsistentHash(
  candidates: Candidates,
  table: Uint16Array,
  hash: number,
  random: Random,
): number {
  let passedOver = NO_POSITION;
  for (let probe = 0; probe < PROBES_MAX; probe += 1) {
    const slot = mixHash(hash + probe * PROBE_STEP) % table.length;
    const position = table[slot] ?? 0;
    if (!candidates.isAvailable(position)) continue;
    const share = candidates.shareOf(position);
    if (share >= 1 || random() < share) return position;
    if (passedOver === NO_POSITION) passedOver = position;
  }
  return passedOver === NO_POSITION ? scan(candidates, mixHash(hash)) : passedOver;
}

/**
 * Reads all positions from `start`: few targets are available, and the slots named none of them.
 */
function scan(candidates: Candidates, start: number): number {
  for (let step = 0; step < candidates.count; step += 1) {
    const position = (start + step) % candidates.count;
    if (candidates.isAvailable(position)) return position;
  }
  return NO_POSITION;
}
