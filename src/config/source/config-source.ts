/**
 * Where a configuration comes from, and comes from again.
 *
 * Thread: supervisor. Owns nothing but what it last saw of the file.
 */
import { stat } from 'node:fs/promises';
import { readMachineLimits } from '../machine-limits.js';
import {
  type FileStamp,
  stampOf,
  stampOfError,
  stampOfFile,
  takeFilesRead,
} from '../references/files-read.js';
import { IncludedFiles } from './included-files.js';
import { type LoadedConfig, type LoadOrder, loadFile } from './load-file.js';
import type { Environment } from './variables.js';

export interface ConfigSource {
  /** What it is called in logs and figures. */
  readonly name: string;
  /** Reads it. Throws ConfigError with everything that is wrong. */
  load(): LoadedConfig;
  /** What another thread is to read. */
  order(): LoadOrder;
  /** Another thread has carried the last order out, and read these files besides. */
  onFilesRead(files: readonly FileStamp[]): void;
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
  let ownStamp = '';
  let named: readonly FileStamp[] = [];
  const begin = (): void => {
    // Before it is read: a change while it is being read is another one.
    ownStamp = included.stamp(stampOfFile(file));
  };
  return {
    name: file,
    get loadedStamp() {
      return joined(ownStamp, named);
    },
    load() {
      begin();
      // Whatever was read before this was for something else.
      takeFilesRead();
      try {
        return loadFile({ file, environment, machine });
      } finally {
        named = takeFilesRead();
      }
    },
    order() {
      begin();
      // Whatever has changed in them by now is what is ordered.
      named = named.map((one) => ({ file: one.file, stamp: stampOfFile(one.file) }));
      return { file, environment: { ...environment }, machine };
    },
    onFilesRead(files) {
      named = files;
    },
    async stamp() {
      const own = included.stamp(await stampLater(file));
      const now: FileStamp[] = [];
      for (const one of named) now.push({ file: one.file, stamp: await stampLater(one.file) });
      return joined(own, now);
    },
  };
}

function joined(own: string, named: readonly FileStamp[]): string {
  return [own, ...named.map(({ file, stamp }) => `${file} ${stamp}`)].join('\n');
}

/** That it cannot be looked at is a state of the file as well: loading it says why. */
async function stampLater(file: string): Promise<string> {
  try {
    return stampOf(await stat(file));
  } catch (error) {
    return stampOfError(error);
  }
}
