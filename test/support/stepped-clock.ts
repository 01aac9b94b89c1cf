/**
 * The wall clock of a program of a test, which steps when it is told to: by libfaketime. Its
 * monotonic clock is that of the machine.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Why there can be none; '': there can. */
export function faketimeMissing(): string {
  try {
    execFileSync('faketime', ['--version'], { stdio: 'ignore' });
    return '';
  } catch {
    return 'faketime is not here: .ci/run says which package has it';
  }
}

export class SteppedClock {
  private readonly folder = mkdtempSync(join(tmpdir(), 'sluice-clock-'));
  private readonly file = join(this.folder, 'offset');

  constructor() {
    this.step(0);
  }

  /** What the program needs in its environment. */
  get env(): Record<string, string> {
    const command = ['-m', '+0 seconds', 'printenv', 'LD_PRELOAD'];
    return {
      LD_PRELOAD: execFileSync('faketime', command, { encoding: 'utf8' }).trim(),
      FAKETIME_TIMESTAMP_FILE: this.file,
      FAKETIME_NO_CACHE: '1',
      DONT_FAKE_MONOTONIC: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    };
  }

  /** From now on it is ahead of the clock of the machine by this. */
  step(seconds: number): void {
    const text = `${seconds < 0 ? '' : '+'}${seconds}\n`;
    writeFileSync(`${this.file}.new`, text);
    renameSync(`${this.file}.new`, this.file);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
