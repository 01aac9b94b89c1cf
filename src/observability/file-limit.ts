/**
 * How many files, sockets among them, this process may have open.
 *
 * Thread: any (both ends). Linux only; elsewhere no bound is known.
 */
import { readFileSync } from 'node:fs';

export function openFilesMax(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8');
    const [, soft] = /^Max open files +(\d+)/m.exec(limits) ?? [];
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
