/**
 * Records in the store that several gateways share: sealed, and gone by themselves.
 *
 * Thread: supervisor (on the main thread). Owns nothing. Whoever reads or writes the store cannot
 * read a record, change it, or pass it off for one of another name; an older one of the same name
 * can be put back until its time is over.
 */
import { SEALED_HEAD_CHARS, type Sealer } from '../../filters/authentication/sealed-text.js';
import type { StoreSupervisor } from '../store-supervisor.js';

/** Longest value. */
export const RECORD_CHARS_MAX = 65_536;

export interface SealedRecord {
  readonly value: string;
  /** Names this state of the record, for compareAndSet(). */
  readonly version: string;
}

/**
 * All reject with a StoreLostError: at once while the store is known to be lost, else after some
 * seconds without an answer. A write may have happened then, or not.
 */
export interface SealedRecords {
  /** null: there is none, or what is there was not sealed for this name. */
  get(name: string): Promise<SealedRecord | null>;
  /** `lifeMs`: after this time it is gone; more than 0. */
  set(name: string, value: string, lifeMs: number): Promise<void>;
  /**
   * Writes only where the record has still this version; null: where there is none. Resolves with
   * the new version; undefined: it was another one.
   */
  compareAndSet(
    name: string,
    version: string | null,
    value: string,
    lifeMs: number,
  ): Promise<string | undefined>;
  /** False: there was none. */
  delete(name: string): Promise<boolean>;
  /** Deletes only where the record has still this version. False: it was another one. */
  compareAndDelete(name: string, version: string): Promise<boolean>;
}

/** KEYS[1] the record; ARGV: version or '', new text, life ms. A version is how a text begins. */
const COMPARE_AND_SET = `
local now = redis.call('GET', KEYS[1]) or ''
if string.sub(now, 1, ${SEALED_HEAD_CHARS}) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
`;

/** KEYS[1] the record; ARGV: version. */
const COMPARE_AND_DELETE = `
local now = redis.call('GET', KEYS[1]) or ''
if string.sub(now, 1, ${SEALED_HEAD_CHARS}) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
`;

export class StoredRecords implements SealedRecords {
  /** `area`: whose the records are; those of another area are others. */
  constructor(
    private readonly store: StoreSupervisor,
    private readonly sealer: Sealer,
    private readonly area: string,
  ) {}

  async get(name: string): Promise<SealedRecord | null> {
    const key = this.keyOf(name);
    const sealed = await this.store.run(['GET', key]);
    if (typeof sealed !== 'string') return null;
    const value = this.sealer.open(sealed, key);
    return value === null ? null : { value, version: versionOf(sealed) };
  }

  async set(name: string, value: string, lifeMs: number): Promise<void> {
    const sealed = this.seal(name, value);
    await this.store.run(['SET', this.keyOf(name), sealed, 'PX', lifeOf(lifeMs)]);
  }

  async compareAndSet(
    name: string,
    version: string | null,
    value: string,
    lifeMs: number,
  ): Promise<string | undefined> {
    const sealed = this.seal(name, value);
    const values = [version ?? '', sealed, lifeOf(lifeMs)];
    const key = this.keyOf(name);
    const isSet = await this.store.run(['EVAL', COMPARE_AND_SET, 1, key, ...values]);
    return isSet === 1 ? versionOf(sealed) : undefined;
  }

  async delete(name: string): Promise<boolean> {
    return (await this.store.run(['DEL', this.keyOf(name)])) === 1;
  }

  async compareAndDelete(name: string, version: string): Promise<boolean> {
    const command = ['EVAL', COMPARE_AND_DELETE, 1, this.keyOf(name), version];
    return (await this.store.run(command)) === 1;
  }

  private keyOf(name: string): string {
    return this.store.keyOf(this.area, name);
  }

  private seal(name: string, value: string): string {
    if (value.length > RECORD_CHARS_MAX) throw new RangeError('the record is too long');
    return this.sealer.seal(value, this.keyOf(name));
  }
}

function versionOf(sealed: string): string {
  return sealed.slice(0, SEALED_HEAD_CHARS);
}

function lifeOf(lifeMs: number): number {
  return Math.max(1, Math.ceil(lifeMs));
}
