/** A machine of so many cores, without the limits of a container. */
import type { MachineLimits } from '../../src/config/machine-limits.js';

export function machineOf(cores: number): MachineLimits {
  return { cores, memoryBytes: 64 * 2 ** 30, cpuQuota: null, memoryQuotaBytes: null };
}
