/**
 * Has plugins looked at while a configuration is loaded, and waits for that.
 *
 * Thread: loader; on the main thread before it serves. Owns what was found last: a configuration is
 * checked first and compiled then, and both have to see the same.
 */
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { newFlag, waitForFlag } from '../channel/plugins/thread-flag.js';
import type { Inspection, InspectOrder } from './inspection.js';

const INSPECT_THREAD = new URL('./inspect-thread.js', import.meta.url);

/** Longest time for the modules of all plugins of a configuration to be loaded. */
const INSPECT_MS_MAX = 10_000;

/** What is said of a plugin that does not come to its end, and of those behind it. */
const ENDLESS: Inspection = {
  isValid: false,
  problems: [{ message: `has not been loaded within ${INSPECT_MS_MAX / 1000} s: does it loop?` }],
  files: [],
};

let last: { readonly key: string; readonly found: readonly Inspection[] } | null = null;

/** `stampOf`: tells whether a file is still as it was. */
export function inspectPlugins(
  orders: readonly InspectOrder[],
  stampOf: (file: string) => string,
): readonly Inspection[] {
  if (orders.length === 0) return [];
  const keyOf = (found: readonly Inspection[]): string =>
    JSON.stringify([orders, found.flatMap(({ files }) => files.map(stampOf))]);
  if (last !== null && last.key === keyOf(last.found)) return last.found;
  const found = inspectAside(orders);
  last = { key: keyOf(found), found };
  return found;
}

function inspectAside(orders: readonly InspectOrder[]): readonly Inspection[] {
  const flag = newFlag();
  const { port1, port2: port } = new MessageChannel();
  const thread = new Worker(INSPECT_THREAD, {
    name: 'plugins',
    workerData: { orders, port, flag },
    transferList: [port],
  });
  // It is ended below, whatever it does.
  thread.on('error', () => {});
  waitForFlag(flag, INSPECT_MS_MAX);
  const found: Inspection[] = [];
  for (;;) {
    const received = receiveMessageOnPort(port1);
    if (received === undefined) break;
    found.push(received.message as Inspection);
  }
  port1.close();
  void thread.terminate();
  return orders.map((_, at) => found[at] ?? ENDLESS);
}
