/**
 * Reads, checks and compiles a configuration aside, in a thread that lives as long as that takes:
 * whoever serves requests goes on serving them meanwhile.
 *
 * Thread: loader. Started by the supervisor for a reload.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { compileConfig } from './compile-config.js';
import { ConfigError, type ConfigIssue } from './config-error.js';
import type { LoadedConfig } from './config-source.js';
import { loadConfigFile } from './load-config.js';
import type { Environment } from './variables.js';

/** What to load; the workerData of the thread. */
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

function load({ file, environment, coreCount }: LoadOrder): LoadReport {
  try {
    const written = loadConfigFile(file, environment);
    return { loaded: { written, compiled: compileConfig(written, { coreCount }) } };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { file: error.file, issues: error.issues };
  }
}
