/**
 * How long a thread of this process has been ready to run and had no CPU.
 *
 * Thread: any (both ends). Linux only; elsewhere not known.
 */
import { readFileSync } from 'node:fs';

/** Milliseconds so far; NaN: not known. `osThreadId` is the operating system's. */
export function cpuWaitMs(osThreadId: number): number {
  try {
    // Nanoseconds on a CPU, nanoseconds waiting for one, times on a CPU.
    const [, waited] = readFileSync(`/proc/self/task/${osThreadId}/schedstat`, 'utf8').split(' ');
    return Number(waited) / 1e6;
  } catch {
    return Number.NaN;
  }
}
