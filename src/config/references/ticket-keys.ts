/**
 * The file of the keys that session tickets are sealed with.
 *
 * Thread: supervisor or loader.
 */
import { readFileSync, statSync } from 'node:fs';
import { fileProblem } from '../../base/system-problem.js';

const KEY_BYTES = 48;

/** Reads 48 bytes; a longer file is refused, as it was made for something else. */
export function readTicketKeys(
  file: string,
): { readonly keys: Buffer } | { readonly problem: string } {
  try {
    const { size } = statSync(file);
    if (size === KEY_BYTES) return { keys: readFileSync(file) };
    const hint = `make it by: openssl rand ${KEY_BYTES} > ${file}`;
    return { problem: `${file} has ${size} bytes and not ${KEY_BYTES}; ${hint}` };
  } catch (error) {
    return { problem: `${file} cannot be read: ${fileProblem(error)}` };
  }
}
