/**
 * Configurations that can be read once only: out of standard input (`-`) or a pipe (`<(command)`).
 *
 * Thread: supervisor or loader. Owns what has come out of them; who loads one again gets the same.
 */
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** What stands for standard input where the name of a file is expected. */
export const STANDARD_INPUT = '-';

/** A stamp that never changes: nothing new can come. */
export const PIPED_STAMP = 'piped';

const bytesByName = new Map<string, Uint8Array>();

/** Has to be called before the file of this name is loaded. */
export function keepPiped(file: string, bytes: Uint8Array): void {
  bytesByName.set(file, bytes);
}

/** undefined: it is an ordinary file. */
export function pipedBytes(file: string): Uint8Array | undefined {
  return bytesByName.get(file);
}

/** Of either kind. Throws what the system says of a file. */
export function textOfFile(file: string): string {
  return new TextDecoder().decode(pipedBytes(file) ?? readFileSync(file));
}

/** What names in the file are relative to: the working folder, where it came out of a pipe. */
export function folderOf(file: string): string {
  return bytesByName.has(file) ? '.' : dirname(file);
}
