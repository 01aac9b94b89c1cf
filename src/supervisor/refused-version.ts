/**
 * Keeps a configuration that was tried and taken back, for whoever looks for what was wrong.
 *
 * Thread: supervisor (on the main thread). Owns one file in `stateDir`; the next one takes its
 * place.
 */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { type KeptVersion, shownOf } from './loading/kept-version.js';

const FILE = 'refused-configuration.json';

/** Secrets are masked. Without a `stateDir` nothing is kept. Never rejects. */
export async function keepRefused(
  stateDir: string,
  version: KeptVersion,
  logger: Logger,
): Promise<void> {
  if (stateDir === '') return;
  const file = join(stateDir, FILE);
  try {
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
    await writeFile(`${file}.new`, `${shownOf(version)}\n`, { mode: 0o600 });
    await rename(`${file}.new`, file);
    logger.warn({ file }, 'the configuration that was taken back is kept');
  } catch (error) {
    logger.error({ err: error, file }, 'the configuration that was taken back could not be kept');
  }
}
