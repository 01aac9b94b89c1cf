/**
 * Copies of shared memory, for those who want to see what would happen without doing it.
 *
 * Thread: any (both ends). What is copied may change meanwhile: the copy is as good as a look.
 */
import type { CoordinatorMemory } from './coordinator-memory.js';

/** Everything but rings and the rows of limiter keys, which are large: those stay as they are. */
export function copyTables(from: CoordinatorMemory, to: CoordinatorMemory): void {
  copyBytes(from.status, to.status);
  copyBytes(from.targets, to.targets);
  copyBytes(from.standings, to.standings);
  copyBytes(from.loads, to.loads);
  copyBytes(from.upstreams, to.upstreams);
  copyBytes(from.probes, to.probes);
  copyBytes(from.inFlight, to.inFlight);
}

function copyBytes(from: SharedArrayBuffer, to: SharedArrayBuffer): void {
  new Uint8Array(to).set(new Uint8Array(from));
}
