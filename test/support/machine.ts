/** A machine with this number of cores, without the limits of a container. */
import type { MachineLimits } from '../../src/config/machine-limits.js';

export function machineOf(cores: number): MachineLimits {
  return { cores, memoryBytes: 64 * 2 ** 30, cpuQuota: null, memoryQuotaBytes: null };
}
