/**
 * What Linux says of this process and its threads in /proc.
 *
 * Thread: any (both ends). On other systems each function returns its "unknown".
 */
import { closeSync, openSync, readFileSync, readlinkSync } from 'node:fs';

/**
 * The operating system's id of the calling thread, by which its CPU time can be looked up;
 * 0: unknown.
 */
export function osThreadId(): number {
  try {
    // PID/task/TID of the thread that reads the link.
    return Number(readlinkSync('/proc/thread-self').split('/').at(-1)) || 0;
  } catch {
    return 0;
  }
}

/**
 * Milliseconds for which a thread of this process was ready to run and had no CPU, since it
 * began; NaN: unknown. `osThreadId` is the operating system's.
 */
export function cpuWaitMs(osThreadId: number): number {
  try {
    // Nanoseconds on a CPU, nanoseconds waiting for one, times on a CPU.
    const [, waited] = readFileSync(`/proc/self/task/${osThreadId}/schedstat`, 'utf8').split(' ');
    return Number(waited) / 1e6;
  } catch {
    return Number.NaN;
  }
}

/** How many files, sockets among them, this process may have open; infinite: unknown. */
export function openFilesMax(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8');
    const [, soft] = /^Max open files +(\d+)/m.exec(limits) ?? [];
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** Another file can be opened now. Takes some microseconds. */
export function hasFreeFile(): boolean {
  try {
    closeSync(openSync('/dev/null', 'r'));
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code !== 'EMFILE' && code !== 'ENFILE';
  }
}
