import { Readable } from 'node:stream';
import { systemClock } from '../../../src/base/clock.js';
import type { CommandIo } from '../../../src/cli/command-io.js';

/** Surroundings of a command that keep what it writes. */
export interface CapturedIo extends CommandIo {
  readonly out: () => string;
  readonly err: () => string;
}

export function capturedIo(env: Record<string, string> = {}, input = ''): CapturedIo {
  const out: string[] = [];
  const err: string[] = [];
  return {
    env,
    clock: systemClock,
    stdin: Readable.from([Buffer.from(input)]),
    stdout: { write: (text: string) => out.push(text) },
    stderr: { write: (text: string) => err.push(text) },
    out: () => out.join(''),
    err: () => err.join(''),
  };
}
