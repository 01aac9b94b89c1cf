/**
 * Which files the making of a configuration has read besides the configuration itself: pages,
 * schemas, OpenAPI documents, keys. Who watches the configuration watches these too.
 *
 * Thread: loader. Owns the list of the thread that it runs on: a configuration is read in one go.
 * Certificates of listeners are not in it: they are watched where they are used.
 */
import { type Stats, statSync } from 'node:fs';

/** A file, and how it was when it was read. */
export interface FileStamp {
  readonly file: string;
  readonly stamp: string;
}

/** A configuration that names more has its first ones watched. */
const FILES_MAX = 2000;

const read = new Map<string, string>();

/** To be called before a file is read: a change while it is being read is another one. */
export function noteFile(file: string): void {
  if (read.size < FILES_MAX && !read.has(file)) read.set(file, stampOfFile(file));
}

/** All files since the last call. */
export function takeFilesRead(): readonly FileStamp[] {
  const files = [...read].map(([file, stamp]) => ({ file, stamp }));
  read.clear();
  return files;
}

/** Everything that a write, a rename or another link behind the name changes. */
export function stampOf({ dev, ino, size, mtimeMs, ctimeMs }: Stats): string {
  return `${dev} ${ino} ${size} ${mtimeMs} ${ctimeMs}`;
}

/** Never throws: that a file cannot be looked at is a state of it as well. */
export function stampOfFile(file: string): string {
  try {
    const stats = statSync(file, { throwIfNoEntry: false });
    return stats === undefined ? 'gone' : stampOf(stats);
  } catch (error) {
    return stampOfError(error);
  }
}

export function stampOfError(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  return code === 'ENOENT' ? 'gone' : code;
}
