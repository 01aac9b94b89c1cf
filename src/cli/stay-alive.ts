/**
 * Keeps the process alive while it waits for something that does not.
 *
 * Thread: supervisor (on the main thread). Timers of the clock let a process end that has nothing
 * else to do, and a store that is away is nothing.
 */

const TURN_MS = 60_000;

export async function stayAliveDuring<T>(work: () => Promise<T>): Promise<T> {
  const timer = setInterval(() => {}, TURN_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
