/**
 * Where keys and certificates of ACME are kept: below `stateDir`, for the gateway's user alone.
 *
 * Thread: supervisor (on the main thread). Each file is written beside its place and then moved
 * there, so that a gateway that dies leaves the old one or the new one.
 *
 *     stateDir/acme/<directory>/account.key
 *     stateDir/acme/<directory>/<names>/pair.pem     key and certificates
 */
import { createHash } from 'node:crypto';
import { chmod, mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { AcmeSettings } from '../../config/tls-settings.js';

const HASH_CHARS = 16;

export interface StoredPair {
  readonly cert: string;
  readonly key: string;
}

export class AcmeStore {
  private readonly folder: string;
  private readonly account: string;

  constructor(stateDir: string, { directory, names }: AcmeSettings) {
    const ofDirectory = join(stateDir, 'acme', hashOf(directory));
    this.account = join(ofDirectory, 'account.key');
    this.folder = join(ofDirectory, hashOf([...names].sort().join(' ')));
  }

  /** null: there is none yet. */
  async accountKey(): Promise<Buffer | null> {
    const text = await textOf(this.account);
    return text === null ? null : Buffer.from(text);
  }

  async saveAccountKey(key: Buffer): Promise<void> {
    await save(join(this.account, '..'), this.account, key.toString());
  }

  /** null: there is none yet, or not all of it. Both stand in one file, so that they fit. */
  async pair(): Promise<StoredPair | null> {
    const text = await textOf(join(this.folder, 'pair.pem'));
    return text === null ? null : { cert: text, key: text };
  }

  async savePair({ cert, key }: StoredPair): Promise<void> {
    await save(this.folder, join(this.folder, 'pair.pem'), `${key.trim()}\n${cert.trim()}\n`);
  }
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, HASH_CHARS);
}

async function textOf(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (isMissing) return null;
    throw error;
  }
}

async function save(folder: string, file: string, text: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const temporary = `${file}.${process.pid}.new`;
  const handle = await open(temporary, 'w', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  // It may have been left behind by somebody with other habits.
  await chmod(temporary, 0o600);
  await rename(temporary, file);
}
