/**
 * Where a configuration comes from, and comes from again.
 *
 * Thread: supervisor. Owns nothing but what it last saw of the file.
 */
import { statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { readMachineLimits } from '../machine-limits.js';
import { IncludedFiles, stampOf } from './included-files.js';
import { type LoadedConfig, type LoadOrder, loadFile } from './load-file.js';
import type { Environment } from './variables.js';

export interface ConfigSource {
  /** What it is called in logs and figures. */
  readonly name: string;
  /** Reads it. Throws ConfigError with everything that is wrong. */
  load(): LoadedConfig;
  /** What another thread is to read. */
  order(): LoadOrder;
  /** Whether there is something else than what was loaded last; never rejects. */
  stamp(): Promise<string>;
  /** The stamp of what was loaded last, whether or not it was right. */
  readonly loadedStamp: string;
}

/** A file, and the environment that stands above it. */
export function fileSource(file: string, environment: Environment): ConfigSource {
  // Once: what follows from it must not change while the gateway runs.
  const machine = readMachineLimits();
  const included = new IncludedFiles(file);
  let loadedStamp = '';
  return {
    name: file,
    get loadedStamp() {
      return loadedStamp;
    },
    load() {
      // Before it is read: a change while it is being read is another one.
      loadedStamp = included.stamp(stampNow(file));
      return loadFile({ file, environment, machine });
    },
    order() {
      loadedStamp = included.stamp(stampNow(file));
      return { file, environment: { ...environment }, machine };
    },
    async stamp() {
      try {
        return included.stamp(stampOf(await stat(file)));
      } catch (error) {
        return stampOfError(error);
      }
    },
  };
}

function stampNow(file: string): string {
  try {
    return stampOf(statSync(file));
  } catch (error) {
    return stampOfError(error);
  }
}

/** That it cannot be looked at is a state of the file as well: loading it says why. */
function stampOfError(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
}
