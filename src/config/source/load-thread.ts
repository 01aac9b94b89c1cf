/**
 * Reads, checks and compiles a configuration aside, in a thread of its own that ends with the work.
 * The threads that serve requests go on meanwhile.
 *
 * Thread: loader. Started by the supervisor for a reload.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { ConfigError } from './config-error.js';
import { type LoadOrder, type LoadReport, loadFile } from './load-file.js';

parentPort?.postMessage(load(workerData as LoadOrder));

function load(order: LoadOrder): LoadReport {
  try {
    return { loaded: loadFile(order) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { file: error.file, issues: error.issues };
  }
}
