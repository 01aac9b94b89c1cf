/**
 * Reads the files that a command names, where they are pipes, before the command begins.
 *
 * Thread: supervisor (on the main thread). Whoever writes into the pipe may take its time: a read
 * that waits in the background leaves Ctrl-C alone.
 */
import { createReadStream, statSync } from 'node:fs';
import { FILE_BYTES_MAX } from '../config/source/load-config.js';
import { keepPiped, STANDARD_INPUT } from '../config/source/piped-file.js';
import type { CommandIo } from './command-io.js';

/** As Linux calls it, which cannot always be opened by these names. */
const STANDARD_INPUT_NAMES: readonly string[] = [STANDARD_INPUT, '/dev/stdin', '/dev/fd/0'];

/** Reads each of these that is a pipe or standard input. Rejects when the system does. */
export async function takePipes(
  files: readonly (string | undefined)[],
  { stdin, stderr }: Pick<CommandIo, 'stdin' | 'stderr'>,
): Promise<void> {
  for (const file of new Set(files)) {
    if (file === undefined || !isPiped(file)) continue;
    const isInput = STANDARD_INPUT_NAMES.includes(file);
    if (isInput && stdin.isTTY === true) {
      stderr.write('sluice: reads the configuration from this terminal, up to Ctrl-D\n');
    }
    keepPiped(file, await readAll(isInput ? stdin : createReadStream(file)));
  }
}

function isPiped(file: string): boolean {
  if (file === STANDARD_INPUT) return true;
  try {
    const stats = statSync(file, { throwIfNoEntry: false });
    return stats !== undefined && !stats.isFile() && !stats.isDirectory();
  } catch {
    // Whoever loads the file says why it cannot be looked at.
    return false;
  }
}

/** No more than what is one byte too much. */
async function readAll(input: AsyncIterable<Uint8Array | string>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of input) {
    const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece;
    pieces.push(bytes);
    length += bytes.length;
    if (length > FILE_BYTES_MAX) break;
  }
  return Buffer.concat(pieces).subarray(0, FILE_BYTES_MAX + 1);
}
