/**
 * API keys in memory, and in a file where one is named.
 *
 * Thread: supervisor (on the main thread). Owns the keys. The file is replaced as a whole and is on
 * the disk before a write resolves, so that no restart loses what somebody was told. Other
 * processes must not write to it.
 */
import { open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ManagedKey } from '../../base/managed-key.js';
import { StartupError } from '../../base/startup-error.js';
import { KEYS_MAX, type KeptKey, type KeyStorage, type WriteOutcome } from './key-storage.js';

/** Hashes are no secrets, but who made keys for whom is nobody else's business. */
const FILE_MODE = 0o600;

export class LocalKeys implements KeyStorage {
  private readonly keys = new Map<string, KeptKey>();
  private serial = 0;
  private isRead = false;
  /** Writes come one after the other. */
  private last: Promise<unknown> = Promise.resolve();

  /** `file`: its path; '': they are kept in memory. */
  constructor(private readonly file: string) {}

  get kind(): 'file' | 'memory' {
    return this.file === '' ? 'memory' : 'file';
  }

  async readAll(): Promise<readonly KeptKey[]> {
    if (!this.isRead && this.file !== '') {
      for (const key of await readKeys(this.file)) this.keep(key);
    }
    this.isRead = true;
    return [...this.keys.values()];
  }

  async read(id: string): Promise<KeptKey | null> {
    return this.keys.get(id) ?? null;
  }

  write(id: string, version: string | null, next: ManagedKey | null): Promise<WriteOutcome> {
    return this.inTurn(() => this.writeNow(id, version, next));
  }

  remove(ids: readonly string[]): Promise<void> {
    return this.inTurn(() => this.removeNow(new Set(ids)));
  }

  private inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = this.last.then(work);
    // Whoever asked for it gets its error; the next write does not care.
    this.last = done.catch(() => {});
    return done;
  }

  private async removeNow(ids: ReadonlySet<string>): Promise<void> {
    const left = [...this.keys.values()].map(({ key }) => key).filter(({ id }) => !ids.has(id));
    if (this.file !== '') await writeKeys(this.file, left);
    for (const id of ids) this.keys.delete(id);
  }

  private async writeNow(
    id: string,
    version: string | null,
    next: ManagedKey | null,
  ): Promise<WriteOutcome> {
    const before = this.keys.get(id);
    if ((before?.version ?? null) !== version) return 'changed';
    if (before === undefined && this.keys.size >= KEYS_MAX) return 'full';
    const all = [...this.keys.values()].map(({ key }) => key).filter((key) => key.id !== id);
    if (this.file !== '') await writeKeys(this.file, next === null ? all : [...all, next]);
    if (next === null) this.keys.delete(id);
    else this.keep(next);
    return 'written';
  }

  private keep(key: ManagedKey): void {
    this.serial += 1;
    this.keys.set(key.id, { key, version: String(this.serial) });
  }
}

async function readKeys(file: string): Promise<ManagedKey[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new StartupError(`keys.file: ${file} cannot be read: ${(error as Error).message}`);
  }
  try {
    const { version, keys } = JSON.parse(text) as { version: unknown; keys: unknown };
    if (version === 1 && Array.isArray(keys) && keys.every(isKey)) return keys;
  } catch {
    // The error below says what is wrong.
  }
  throw new StartupError(`keys.file: ${file} does not hold the keys of this gateway`);
}

function isKey(value: unknown): value is ManagedKey {
  const { id, authenticator, consumer, scopes, createdMs, expiresMs, secrets } = (value ??
    {}) as Partial<ManagedKey>;
  const isTime = (one: unknown): boolean => one === null || Number.isFinite(one);
  const isSecret = (one: unknown): boolean => {
    const { sha256, untilMs } = (one ?? {}) as { sha256?: unknown; untilMs?: unknown };
    return typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256) && isTime(untilMs);
  };
  return (
    [id, authenticator, consumer].every((one) => typeof one === 'string') &&
    Array.isArray(scopes) &&
    scopes.every((one) => typeof one === 'string') &&
    Number.isFinite(createdMs) &&
    isTime(expiresMs) &&
    Array.isArray(secrets) &&
    secrets.length > 0 &&
    secrets.every(isSecret)
  );
}

async function writeKeys(file: string, keys: readonly ManagedKey[]): Promise<void> {
  const next = `${file}.new`;
  const handle = await open(next, 'w', FILE_MODE);
  try {
    await handle.writeFile(`${JSON.stringify({ version: 1, keys }, null, 1)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(next, file);
  const folder = await open(dirname(file), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
