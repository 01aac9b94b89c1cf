/**
 * `sluice hash-password`: reads a password from standard input and prints its hash.
 *
 * Thread: supervisor (on the main thread). The password is never an argument: arguments appear in
 * the list of processes and in the history of the shell. A typed password is not shown.
 */
import { hashPassword, PASSWORD_BYTES_MAX } from '../filters/authentication/password-hash.js';
import {
  type CommandArguments,
  type CommandIo,
  EXIT_OK,
  type ExitCode,
  type TextInput,
  UsageError,
} from './command-io.js';
import { reportErrors } from './report-error.js';

const BACKSPACE = '\x7f';
const CONTROL_C = '\x03';
const CONTROL_D = '\x04';

/** Prints only the hash, so that users can redirect it to a file. */
export function hashPasswordCommand(_args: CommandArguments, io: CommandIo): Promise<ExitCode> {
  return reportErrors(io, async () => {
    const { stdin, stderr, stdout } = io;
    const isTyped = stdin.isTTY === true;
    if (isTyped) stderr.write('Password: ');
    const password = isTyped ? await readTyped(stdin) : await readPiped(stdin);
    if (isTyped) stderr.write('\n');
    if (password === '') throw new UsageError('the password is empty');
    if (Buffer.byteLength(password) > PASSWORD_BYTES_MAX) {
      throw new UsageError(`the password has more than ${PASSWORD_BYTES_MAX} bytes`);
    }
    if ([...password].some(isControl)) {
      throw new UsageError('the password holds control characters (RFC 7617 2)');
    }
    stdout.write(`${await hashPassword(password)}\n`);
    return EXIT_OK;
  });
}

function isControl(char: string): boolean {
  return char < ' ' || char === BACKSPACE;
}

/** Reads the whole input, and removes one line end at its end. */
async function readPiped(stdin: TextInput): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stdin) {
    chunks.push(Buffer.from(chunk));
    bytes += chunk.length;
    if (bytes > 2 * PASSWORD_BYTES_MAX) break;
  }
  return Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '');
}

/** Reads key by key, up to the end of the line. */
async function readTyped(stdin: TextInput): Promise<string> {
  const typed: string[] = [];
  stdin.setRawMode?.(true);
  try {
    for await (const chunk of stdin) {
      for (const key of typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8')) {
        if (key === '\r' || key === '\n' || key === CONTROL_D) return typed.join('');
        if (key === CONTROL_C) throw new UsageError('no password was given');
        if (key === BACKSPACE) typed.pop();
        else typed.push(key);
      }
    }
  } finally {
    stdin.setRawMode?.(false);
  }
  return typed.join('');
}
