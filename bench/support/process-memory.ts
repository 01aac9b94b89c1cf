/**
 * Resident memory of a process and of everything it started, from /proc. Linux only: elsewhere
 * the figures are NaN.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { listTree } from './process-cpu.js';

export interface TreeMemory {
  readonly residentMiB: number;
  /** Highest since the last reset, added up over the processes. */
  readonly peakMiB: number;
}

/** Pages that its processes share are counted once for each of them. */
export function readTreeMemory(pid: number): TreeMemory {
  let residentMiB = Number.NaN;
  let peakMiB = Number.NaN;
  for (const one of listTree(pid)) {
    try {
      const text = readFileSync(`/proc/${one}/status`, 'utf8');
      residentMiB = readMiB(text, 'VmRSS') + (Number.isNaN(residentMiB) ? 0 : residentMiB);
      peakMiB = readMiB(text, 'VmHWM') + (Number.isNaN(peakMiB) ? 0 : peakMiB);
    } catch {
      // Ended meanwhile.
    }
  }
  return { residentMiB, peakMiB };
}

/** Makes the peak start again from what is resident now. */
export function resetPeaks(pid: number): void {
  for (const one of listTree(pid)) {
    try {
      writeFileSync(`/proc/${one}/clear_refs`, '5');
    } catch {
      // Not ours to reset, or ended: the peak is then that of its whole life.
    }
  }
}

function readMiB(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) / 1024;
}
