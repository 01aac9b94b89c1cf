/**
 * A flag by which one thread tells another, which does nothing else meanwhile, that it is done.
 *
 * Thread: any (both ends). For threads that load a configuration: whoever serves never waits so.
 */

export type ThreadFlag = Int32Array;

export function newFlag(): ThreadFlag {
  return new Int32Array(new SharedArrayBuffer(4));
}

export function raiseFlag(flag: ThreadFlag): void {
  Atomics.store(flag, 0, 1);
  Atomics.notify(flag, 0);
}

/** False: nobody has raised it in time. */
export function waitForFlag(flag: ThreadFlag, ms: number): boolean {
  return Atomics.wait(flag, 0, 0, ms) !== 'timed-out';
}
