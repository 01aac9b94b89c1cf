/**
 * Loaded into every thread of a gateway (`NODE_OPTIONS=--import`): writes down now and then what
 * the thread holds. One file for each thread, one line for each look.
 */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread, threadId } from 'node:worker_threads';

/** The folder of the files; the program that starts the gateway sets it. */
export const PROBE_FOLDER = 'SOAK_PROBE_FOLDER';
const LOOK_MS = 2000;

/** One look. */
export interface ThreadLook {
  /** 0: the main thread. */
  readonly thread: number;
  readonly unixMs: number;
  /** Of the thread's own heap; garbage that nobody has collected yet is in it. */
  readonly heapBytes: number;
  /** What V8 has of the machine's memory for that heap, used or not. */
  readonly heldBytes: number;
  /** What keeps its event loop alive, by kind: timers, sockets, ports. */
  readonly resources: Readonly<Record<string, number>>;
}

function look(file: string): void {
  const resources: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) {
    resources[kind] = (resources[kind] ?? 0) + 1;
  }
  const { heapUsed: heapBytes, heapTotal: heldBytes } = process.memoryUsage();
  const thread = isMainThread ? 0 : threadId;
  const seen: ThreadLook = { thread, unixMs: Date.now(), heapBytes, heldBytes, resources };
  appendFileSync(file, `${JSON.stringify(seen)}\n`);
}

const folder = process.env[PROBE_FOLDER];
if (folder !== undefined) {
  const file = join(folder, `${isMainThread ? 0 : threadId}.jsonl`);
  setInterval(() => look(file), LOOK_MS).unref();
}
