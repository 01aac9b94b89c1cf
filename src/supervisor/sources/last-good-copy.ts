/**
 * The last configuration that a gateway has used, on its own disk: what it starts with when its
 * store cannot be reached.
 *
 * Thread: supervisor (on the main thread). The file has the documents as they were published, with
 * their variables unresolved: no secret of the environment gets onto the disk. It is read at the
 * start of the process alone.
 *
 * Invariants: whoever reads the file sees one whole copy, old or new, whenever the process or the
 * machine died (a new file, fsync, rename). A copy of another store, one that others may write, and
 * one whose texts are not what their hashes say is not used.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.js';
import { parseObject, sha256Of } from './release-layout.js';
import type { StoreDocument } from './store-document.js';

const FILE = 'last-good-configuration.json';
const FORMAT = 1;
const OTHERS_MAY_WRITE = 0o022;
const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;

export interface CopyContent {
  /** Provider and prefix of the store: hosts may change, and it is the same store. */
  readonly store: string;
  readonly revision: number;
  readonly clusterId: string;
  /** Wall time. */
  readonly savedAt: string;
  readonly documents: readonly StoreDocument[];
}

/** Older ones were left by processes that died while they wrote. */
const TEMPORARY_AGE_MS_MAX = 3_600_000;

/** What came of reading it; both null: there is none. */
export interface CopyReading {
  readonly content: CopyContent | null;
  /** Why a copy that is there is not used. */
  readonly problem: string | null;
}

export class LastGoodCopy {
  readonly file: string;

  constructor(
    private readonly folder: string,
    private readonly store: string,
    private readonly clock: Pick<Clock, 'unixMs'>,
  ) {
    this.file = join(folder, FILE);
  }

  /** Never rejects. */
  async read(): Promise<CopyReading> {
    try {
      await this.removeOld();
      const { mode, uid } = await stat(this.file);
      const isOurs = uid === process.getuid?.() || uid === 0;
      if ((mode & OTHERS_MAY_WRITE) !== 0 || !isOurs) {
        return refuse(`${this.file} may be written by others than the user of the gateway`);
      }
      return this.parse(await readFile(this.file, 'utf8'));
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return { content: null, problem: null };
      return refuse(`${this.file} cannot be read: ${codeOf(error)}`);
    }
  }

  /** Rejects when it cannot be written; the old copy is there then. */
  async write(content: Omit<CopyContent, 'store'>): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: FOLDER_MODE });
    const temporary = `${this.file}.${randomBytes(6).toString('hex')}.tmp`;
    const text = JSON.stringify({ format: FORMAT, store: this.store, ...content });
    try {
      const handle = await open(temporary, 'wx', FILE_MODE);
      try {
        await handle.writeFile(text);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, this.file);
    } catch (error) {
      await unlink(temporary).catch(() => {});
      throw error;
    }
    const folder = await open(this.folder, 'r');
    await folder.sync().finally(() => folder.close());
  }

  private async removeOld(): Promise<void> {
    for (const name of await readdir(this.folder)) {
      if (!name.startsWith(`${FILE}.`) || !name.endsWith('.tmp')) continue;
      const { mtimeMs } = await stat(join(this.folder, name));
      if (this.clock.unixMs() - mtimeMs > TEMPORARY_AGE_MS_MAX) {
        await unlink(join(this.folder, name));
      }
    }
  }

  private parse(text: string): CopyReading {
    const { format, store, revision, clusterId, savedAt, documents } = parseObject(text);
    if (format !== FORMAT || !Array.isArray(documents) || !documents.every(isWhole)) {
      return refuse(`${this.file} is damaged`);
    }
    if (store !== this.store) return refuse(`${this.file} is of another store`);
    return {
      content: {
        ...{ store: this.store, documents: documents as readonly StoreDocument[] },
        revision: Number(revision),
        clusterId: String(clusterId),
        savedAt: String(savedAt),
      },
      problem: null,
    };
  }
}

function isWhole(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { name, text, team, id, sha256 } = value as Record<string, unknown>;
  const texts = [name, text, team, id, sha256];
  if (!texts.every((one) => typeof one === 'string')) return false;
  return sha256Of(String(text)) === sha256;
}

function refuse(problem: string): CopyReading {
  return { content: null, problem };
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
}
