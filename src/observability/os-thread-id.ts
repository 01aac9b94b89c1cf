/**
 * The operating system's id of the calling thread, under which its CPU time can be looked up.
 *
 * Thread: any (both ends). Linux only; elsewhere 0.
 */
import { readlinkSync } from 'node:fs';

/** `/proc/thread-self` is read on the calling thread itself: PID/task/TID. */
export function osThreadId(): number {
  try {
    return Number(readlinkSync('/proc/thread-self').split('/').at(-1)) || 0;
  } catch {
    return 0;
  }
}
