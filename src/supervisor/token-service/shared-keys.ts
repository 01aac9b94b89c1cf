/**
 * Keys of the token service in the store that gateways share, sealed.
 *
 * Thread: supervisor (on the main thread). Owns the private keys that it has read, and a timer. One
 * record holds all keys and is changed by compare-and-set: of several gateways one makes the next
 * key. It is published before it signs, so that the others know it when its first token comes.
 *
 * Without the store the keys that are known go on signing nothing new (sessions are there), and
 * verifying what was signed.
 */
import { randomBytes } from 'node:crypto';
import { type CryptoKey, exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose';
import type { Clock, Timer } from '../../base/clock.js';
import type { CompiledTokenService } from '../../config/compiled-config.js';
import type { SealedRecords } from '../shared/sealed-records.js';
import { StoreLostError } from '../store-supervisor.js';
import { RETIRE_MS, readSigned, type TokenKeys } from './token-keys.js';

const NAME = 'keys';
/** How long a key is published before it signs. */
const LEAD_MS = 10_000;
/** Longest wait of a gateway that starts. */
const FIRST_KEYS_MS = 2000;
const RETRY_LOST_MS = 250;
const RETRY_MS = 5000;
const LOOK_MS = 60 * 60_000;
/** Times that another gateway may be quicker. */
const TRIES_MAX = 5;

/** A key as it is written. Times in ms since 1970. */
interface WrittenKey {
  readonly kid: string;
  readonly algorithm: string;
  /** With its private part. */
  readonly jwk: JWK;
  readonly signsFromMs: number;
  /** null: not before another one signs. */
  readonly retiresMs: number | null;
}

interface KnownKey extends WrittenKey {
  readonly publicJwk: JWK;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
}

export interface SharedKeysParts {
  readonly config: CompiledTokenService;
  readonly records: SealedRecords;
  readonly clock: Clock;
  /** The set of published keys has changed. */
  onChanged(): void;
  /** This gateway has made a key, which the others should read. */
  onMade(): void;
  onError(error: unknown): void;
}

export class SharedKeys implements TokenKeys {
  private keys: readonly KnownKey[] = [];
  private timer: Timer | null = null;
  private reading: Promise<void> | null = null;
  private onFirst: () => void = () => {};

  constructor(private readonly parts: SharedKeysParts) {}

  /** Somebody else calls {@link keep}, as soon as ended sessions are known. */
  start(): Promise<void> {
    if (this.keys.length > 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.parts.clock.after(FIRST_KEYS_MS, resolve);
      this.onFirst = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  stop(): void {
    this.timer?.cancel();
    this.timer = null;
    this.onFirst();
  }

  get published(): readonly JWK[] {
    return this.keys.map(({ publicJwk }) => publicJwk);
  }

  async sign(claims: Readonly<Record<string, unknown>>): Promise<string> {
    const { algorithm } = this.parts.config;
    const now = this.parts.clock.unixMs();
    const able = this.keys.filter((key) => key.algorithm === algorithm && key.signsFromMs <= now);
    const current = newestOf(able);
    if (current === undefined) throw new StoreLostError('there is no signing key yet');
    return new SignJWT({ ...claims })
      .setProtectedHeader({ alg: algorithm, typ: 'JWT', kid: current.kid })
      .sign(current.privateKey);
  }

  read(token: string): Promise<Readonly<Record<string, unknown>> | undefined> {
    return readSigned(token, this.keys, this.parts.config);
  }

  /** Reads what is in the store, and makes a key where one is due. Never rejects. */
  keep(): Promise<void> {
    this.reading ??= this.keepOnce().finally(() => {
      this.reading = null;
    });
    return this.reading;
  }

  private async keepOnce(): Promise<void> {
    this.timer?.cancel();
    const { clock, config, onError } = this.parts;
    let nextMs = RETRY_MS;
    try {
      const newest = await this.readOrMake();
      nextMs = Math.max(0, newest.signsFromMs + config.rotateMs - clock.unixMs());
    } catch (error) {
      if (error instanceof StoreLostError) nextMs = RETRY_LOST_MS;
      else onError(error);
    }
    // The clock may be set meanwhile.
    this.timer = clock.after(Math.min(nextMs, LOOK_MS), () => void this.keep());
  }

  /** Resolves with the newest key. */
  private async readOrMake(): Promise<WrittenKey> {
    const { clock, config, records, onMade } = this.parts;
    for (let attempt = 0; attempt < TRIES_MAX; attempt += 1) {
      const record = await records.get(NAME);
      // A store that has lost what it knew gets it back.
      const written = record === null ? this.keys.map(writtenOf) : readKeys(record.value);
      const newest = newestOf(written.filter((key) => key.algorithm === config.algorithm));
      const now = clock.unixMs();
      const isDue = newest === undefined || newest.signsFromMs + config.rotateMs <= now;
      if (record !== null && newest !== undefined && !isDue) {
        await this.use(written);
        return newest;
      }
      const made = isDue ? [await makeKey(config.algorithm, newest ? now + LEAD_MS : now)] : [];
      const next = [...made, ...this.kept(written, made[0])];
      const lifeMs = config.rotateMs * 2 + config.accessTokenMs + RETIRE_MS;
      const text = JSON.stringify(next);
      if ((await records.compareAndSet(NAME, record?.version ?? null, text, lifeMs)) === undefined)
        continue;
      await this.use(next);
      onMade();
    }
    const newest = newestOf(this.keys.filter((key) => key.algorithm === config.algorithm));
    if (newest === undefined) throw new Error('keys in the store are sealed with another secret');
    return newest;
  }

  /** Those of before that still verify, beside the one that will sign. */
  private kept(written: readonly WrittenKey[], next: WrittenKey | undefined): WrittenKey[] {
    const { clock, config } = this.parts;
    const now = clock.unixMs();
    const lastMs = (next?.signsFromMs ?? 0) + config.accessTokenMs + RETIRE_MS;
    return written
      .map((key) => (next === undefined ? key : { ...key, retiresMs: key.retiresMs ?? lastMs }))
      .filter(({ retiresMs }) => retiresMs === null || retiresMs > now);
  }

  private async use(written: readonly WrittenKey[]): Promise<void> {
    const known = new Map(this.keys.map((key) => [key.kid, key]));
    const isSame = written.length === known.size && written.every(({ kid }) => known.has(kid));
    const next: KnownKey[] = [];
    for (const key of written) {
      const before = known.get(key.kid);
      next.push(before === undefined ? await knownOf(key) : { ...before, ...key });
    }
    this.keys = next;
    if (!isSame) this.parts.onChanged();
    this.onFirst();
  }
}

async function makeKey(algorithm: string, signsFromMs: number): Promise<WrittenKey> {
  const { privateKey } = await generateKeyPair(algorithm, { extractable: true });
  const kid = randomBytes(12).toString('base64url');
  return { kid, algorithm, jwk: await exportJWK(privateKey), signsFromMs, retiresMs: null };
}

async function knownOf(key: WrittenKey): Promise<KnownKey> {
  const { kid, algorithm, jwk } = key;
  const publicJwk = { ...publicPart(jwk), kid, use: 'sig', alg: algorithm };
  const [privateKey, publicKey] = await Promise.all([
    importJWK(jwk, algorithm),
    importJWK(publicJwk, algorithm),
  ]);
  return {
    ...key,
    publicJwk,
    privateKey: privateKey as CryptoKey,
    publicKey: publicKey as CryptoKey,
  };
}

function publicPart({ kty, crv, x, y, n, e }: JWK): JWK {
  const parts = Object.entries({ kty, crv, x, y, n, e });
  return Object.fromEntries(parts.filter(([, value]) => value !== undefined));
}

function writtenOf({ kid, algorithm, jwk, signsFromMs, retiresMs }: KnownKey): WrittenKey {
  return { kid, algorithm, jwk, signsFromMs, retiresMs };
}

/** It was sealed by a gateway, so that it has the right form. */
function readKeys(text: string): WrittenKey[] {
  return JSON.parse(text) as WrittenKey[];
}

function newestOf<Key extends WrittenKey>(keys: readonly Key[]): Key | undefined {
  return keys.reduce<Key | undefined>(
    (newest, key) => (newest === undefined || key.signsFromMs > newest.signsFromMs ? key : newest),
    undefined,
  );
}
