/**
 * What has to be undone when the user ends a bench, in reverse order of what was done.
 */

const EXIT_INTERRUPTED = 130;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

type CleanUp = () => Promise<void> | void;

const pending: CleanUp[] = [];
let isInterrupted = false;

/** Runs `work`, then `cleanUp`: also when it throws, and when a signal ends the process. */
export async function withCleanUp<T>(cleanUp: CleanUp, work: () => Promise<T>): Promise<T> {
  if (pending.length === 0) for (const name of SIGNALS) process.on(name, interrupt);
  pending.push(cleanUp);
  try {
    return await work();
  } finally {
    // After a signal the list is being worked off already, and the process ends with it: what
    // follows here would only report on what was cut short.
    if (isInterrupted) await new Promise(() => undefined);
    const at = pending.lastIndexOf(cleanUp);
    if (at >= 0) {
      pending.splice(at, 1);
      await cleanUp();
    }
    if (pending.length === 0) for (const name of SIGNALS) process.removeListener(name, interrupt);
  }
}

function interrupt(): void {
  if (isInterrupted) return;
  isInterrupted = true;
  process.stderr.write('\nstopping what was started\n');
  void undoAll().finally(() => process.exit(EXIT_INTERRUPTED));
}

async function undoAll(): Promise<void> {
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    try {
      await next();
    } catch (error) {
      process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    }
  }
}
