/**
 * Keeps the key sets of all authenticators, and hands them to the workers.
 *
 * Thread: supervisor (on the main thread). Two authenticators with one address share a set.
 */
import type { Jwk } from '../../base/json-web-key.js';
import type { KeySetNotice } from '../../channel/identity-messages.js';
import type {
  CompiledAuthenticator,
  CompiledKeySource,
} from '../../filters/authentication/options.js';
import { fetchJson } from './fetch-json.js';
import { KeySetSource, type KeySetSourceOptions } from './key-set-source.js';

export interface KeySetsOptions extends Omit<KeySetSourceOptions, 'fetch' | 'nextVersion'> {
  /** Sends a notice to the worker of one lane. */
  reply(lane: number, notice: KeySetNotice): void;
}

export class KeySets {
  private readonly sources = new Map<string, KeySetSource>();
  private readonly sourceOptions: KeySetSourceOptions;
  private lastVersion = 0;

  constructor(private readonly options: KeySetsOptions) {
    this.sourceOptions = { ...options, fetch: fetchJson, nextVersion: () => ++this.lastVersion };
  }

  /**
   * Keeps the sets of these authenticators, and drops all others. Starts to fetch new ones; only
   * requests that need such a set wait for it.
   */
  adopt(authenticators: readonly CompiledAuthenticator[]): void {
    const wanted = keySourcesOf(authenticators);
    const before = new Map(this.sources);
    for (const [id, known] of before) {
      if (isSame(known.source, wanted.get(id))) continue;
      known.stop();
      this.sources.delete(id);
    }
    for (const [id, source] of wanted) {
      if (this.sources.has(id)) continue;
      const added = new KeySetSource(source, this.sourceOptions, before.get(id));
      this.sources.set(id, added);
      added.start();
    }
  }

  stop(): void {
    for (const source of this.sources.values()) source.stop();
  }

  /** The notices that a new worker starts with. */
  get notices(): KeySetNotice[] {
    return [...this.sources.values()].map((source) => source.notice);
  }

  /** The known keys of a source, for this thread; empty: none. */
  keysOf(sourceId: string): readonly Jwk[] {
    return this.sources.get(sourceId)?.published ?? [];
  }

  /** Resolves when an attempt to fetch newer keys has ended; null: it is too early for one. */
  askNewer(sourceId: string): Promise<void> | null {
    return this.sources.get(sourceId)?.askNewer() ?? null;
  }

  /** A worker misses a key in the set of this version. */
  onWanted(lane: number, sourceId: string, version: number): void {
    const source = this.sources.get(sourceId);
    if (source?.onWanted(version)) return;
    this.options.reply(lane, source?.notice ?? goneNotice(sourceId));
  }
}

/** The notice of a source that only an earlier configuration has: nothing new will come. */
function goneNotice(source: string): KeySetNotice {
  return { type: 'keySet', source, version: 0, keys: [], nextFetchMs: Number.POSITIVE_INFINITY };
}

/** The sources that have to be fetched, each once. */
function keySourcesOf(
  authenticators: readonly CompiledAuthenticator[],
): ReadonlyMap<string, CompiledKeySource> {
  const sources = new Map<string, CompiledKeySource>();
  for (const authenticator of authenticators) {
    const keySource = keySourceOf(authenticator);
    if (keySource === null || keySource.kind === 'tokenService') continue;
    // One that a jwt authenticator describes says more about when to fetch.
    if (authenticator.type === 'jwt' || !sources.has(keySource.id)) {
      sources.set(keySource.id, keySource);
    }
  }
  return sources;
}

function keySourceOf(authenticator: CompiledAuthenticator): CompiledKeySource | null {
  if (authenticator.type === 'oidc') return authenticator.provider.keySource;
  return authenticator.type === 'jwt' ? authenticator.keySource : null;
}

function isSame(one: CompiledKeySource, other: CompiledKeySource | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
