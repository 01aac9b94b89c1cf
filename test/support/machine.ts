/** A machine with this number of cores, without the limits of a container. */
import type { MachineLimits } from '../../src/config/machine-limits.js';

export function machineOf(cores: number): MachineLimits {
  const memory = { memoryBytes: 64 * 2 ** 30, memoryQuotaBytes: null };
  return { cores, ...memory, cpuQuota: null, sharesPorts: true };
}
