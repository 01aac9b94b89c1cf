/**
 * Tells which files have changed.
 *
 * Thread: supervisor (on the main thread). Reads the times of files and not their content, which
 * finds links that are switched to another file too, as Kubernetes does with secrets. A change
 * counts once the file stayed the same from one look to the next, so that a file that is written
 * in pieces is not read half written.
 */
import { stat } from 'node:fs/promises';
import { stampOf } from '../../config/references/files-read.js';

/** Files whose times are asked for at once. */
const BATCH = 32;
const GONE = 'gone';

export class WatchedFiles {
  /** As it was when the file was read. */
  private loaded = new Map<string, string>();
  /** As it was at the last look. */
  private seen = new Map<string, string>();

  /** Watches these. Those that are new count as read now: call it before they are read. */
  async adopt(files: readonly string[]): Promise<void> {
    const stamps = await stampsOf([...new Set(files)]);
    this.loaded = keep(this.loaded, stamps);
    this.seen = keep(this.seen, stamps);
  }

  /** The files that have changed since they were read, and are at rest. They count as read then. */
  async look(): Promise<ReadonlySet<string>> {
    const stamps = await stampsOf([...this.loaded.keys()]);
    const changed = new Set<string>();
    for (const [file, stamp] of stamps) {
      const loaded = this.loaded.get(file);
      const isAtRest = this.seen.get(file) === stamp;
      // Files may have been taken off the list meanwhile.
      if (loaded === undefined) continue;
      this.seen.set(file, stamp);
      if (!isAtRest || loaded === stamp) continue;
      this.loaded.set(file, stamp);
      changed.add(file);
    }
    return changed;
  }
}

function keep(
  known: ReadonlyMap<string, string>,
  stamps: ReadonlyMap<string, string>,
): Map<string, string> {
  return new Map([...stamps].map(([file, stamp]) => [file, known.get(file) ?? stamp]));
}

async function stampsOf(files: readonly string[]): Promise<Map<string, string>> {
  const stamps = new Map<string, string>();
  for (let at = 0; at < files.length; at += BATCH) {
    const batch = files.slice(at, at + BATCH);
    const found = await Promise.all(batch.map(stampOfFile));
    batch.forEach((file, place) => void stamps.set(file, found[place] ?? GONE));
  }
  return stamps;
}

async function stampOfFile(file: string): Promise<string> {
  try {
    return stampOf(await stat(file));
  } catch {
    // Reading the file says what is wrong with it.
    return GONE;
  }
}
