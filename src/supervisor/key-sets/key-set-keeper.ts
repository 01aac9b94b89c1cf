/**
 * Keeps the key sets of all authenticators, and hands them to the workers.
 *
 * Thread: supervisor (on the main thread). Two authenticators with one address share a set.
 */
import type { KeySetNotice } from '../../channel/identity-messages.js';
import type {
  CompiledAuthenticator,
  CompiledKeySource,
} from '../../filters/authentication/options.js';
import { fetchJson } from './fetch-json.js';
import { KeySetSource, type KeySetSourceOptions } from './key-set-source.js';

export interface KeySetKeeperOptions extends Omit<KeySetSourceOptions, 'fetch'> {
  /** Tells the worker of one lane. */
  reply(lane: number, notice: KeySetNotice): void;
}

export class KeySetKeeper {
  private readonly sources: ReadonlyMap<string, KeySetSource>;

  constructor(
    authenticators: readonly CompiledAuthenticator[],
    private readonly options: KeySetKeeperOptions,
  ) {
    const sourceOptions = { ...options, fetch: fetchJson };
    this.sources = new Map(
      keySourcesOf(authenticators).map((one) => [one.id, new KeySetSource(one, sourceOptions)]),
    );
  }

  /** Fetches all sets. Nobody waits for that but those who need one. */
  start(): void {
    for (const source of this.sources.values()) source.start();
  }

  stop(): void {
    for (const source of this.sources.values()) source.stop();
  }

  /** What a worker that starts now is to know. */
  get notices(): KeySetNotice[] {
    return [...this.sources.values()].map((source) => source.notice);
  }

  /** A worker misses a key in the set of this version. */
  onWanted(lane: number, sourceId: string, version: number): void {
    const source = this.sources.get(sourceId);
    if (source === undefined || source.onWanted(version)) return;
    this.options.reply(lane, source.notice);
  }
}

/** Sources that have to be fetched, each once. */
function keySourcesOf(authenticators: readonly CompiledAuthenticator[]): CompiledKeySource[] {
  const sources = new Map<string, CompiledKeySource>();
  for (const authenticator of authenticators) {
    if (authenticator.type !== 'jwt' || authenticator.keySource === null) continue;
    const { keySource } = authenticator;
    if (keySource.kind !== 'tokenService') sources.set(keySource.id, keySource);
  }
  return [...sources.values()];
}
