/**
 * The lines of log files, one after another.
 *
 * Thread: supervisor (on the main thread). Memory does not grow with a file: a line that is longer
 * than any record is cut off.
 */

import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { createGunzip } from 'node:zlib';
import { StartupError } from '../base/startup-error.js';
import { fileProblem } from '../base/system-problem.js';

/** Longer ones are no records: what is behind this is left out. */
const LINE_CHARS_MAX = 256 * 1024;
const READ_BYTES = 256 * 1024;

/** In pieces of many lines: one wait for each line would cost more than reading it. */
export async function* linesOf(
  files: readonly string[],
  stdin: AsyncIterable<Uint8Array | string>,
): AsyncGenerator<readonly string[]> {
  for (const file of files) yield* linesOfFile(file, stdin);
}

async function* linesOfFile(
  file: string,
  stdin: AsyncIterable<Uint8Array | string>,
): AsyncGenerator<readonly string[]> {
  const isInput = file === '-';
  const source = isInput
    ? Readable.from(stdin)
    : createReadStream(file, { highWaterMark: READ_BYTES });
  try {
    yield* linesOfStream(file.endsWith('.gz') ? gunzipped(source) : source);
  } catch (error) {
    throw new StartupError(`${file} cannot be read: ${fileProblem(error)}`);
  } finally {
    source.destroy();
  }
}

/** An error of the file ends what is read of it, too. */
function gunzipped(source: Readable): Readable {
  const plain = createGunzip({ chunkSize: READ_BYTES });
  source.on('error', (error) => plain.destroy(error));
  return source.pipe(plain);
}

async function* linesOfStream(source: Readable): AsyncGenerator<readonly string[]> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  for await (const chunk of source) {
    const lines = (rest + decoder.write(chunk)).split('\n');
    rest = (lines.pop() ?? '').slice(0, LINE_CHARS_MAX);
    yield lines;
  }
  rest += decoder.end();
  if (rest !== '') yield [rest];
}
