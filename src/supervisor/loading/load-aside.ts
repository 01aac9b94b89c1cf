/**
 * Has the next version of the configuration made in a thread of its own.
 *
 * Thread: supervisor (on the main thread).
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { keepWorkingFolder } from '../working-folder.js';
import type { VersionOrder, VersionReport } from './prepare-version.js';

const LOAD_THREAD = new URL('./load-thread.js', import.meta.url);

/** Rejects when the thread dies, which is a mistake of our own. */
export async function loadAside(order: VersionOrder): Promise<VersionReport> {
  keepWorkingFolder();
  const thread = new Worker(LOAD_THREAD, { workerData: order, name: 'loader' });
  const [report] = (await once(thread, 'message')) as [VersionReport];
  return report;
}
