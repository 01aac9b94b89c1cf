/**
 * Reads, checks and compiles a configuration aside, in a thread that lives as long as that takes:
 * whoever serves requests goes on serving them meanwhile.
 *
 * Thread: loader. Started by the supervisor for a reload.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { ConfigError, type ConfigIssue } from './config-error.js';
import { type LoadedConfig, loadFile } from './config-source.js';
import type { Environment } from './variables.js';

/** What to load, and for how many cores; the workerData of the thread. */
export interface LoadOrder {
  readonly file: string;
  readonly environment: Environment;
  readonly coreCount: number;
}

/** What came of it; the one message that the thread posts. */
export type LoadReport =
  | { readonly loaded: LoadedConfig }
  | { readonly file: string; readonly issues: readonly ConfigIssue[] };

parentPort?.postMessage(load(workerData as LoadOrder));

function load(order: LoadOrder): LoadReport {
  try {
    return { loaded: loadFile(order) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { file: error.file, issues: error.issues };
  }
}
