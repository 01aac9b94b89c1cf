/**
 * Key sets that the main thread has fetched, and the wish for newer ones.
 *
 * Thread: worker. Owns this worker's copies. One wish for a source is on its way at a time; however
 * many requests wait for it, the main thread hears of one.
 */
import type { Jwk } from '../base/json-web-key.js';
import type { IdentityNotice, IdentityRequest } from '../channel/identity-messages.js';
import type { Claims } from '../filters/authentication/authenticator.js';
import type { KeySetFeed } from '../filters/authentication/key-set-feed.js';

interface Wish {
  readonly granted: Promise<void>;
  readonly grant: () => void;
}

interface SourceState {
  version: number;
  keys: readonly Jwk[];
  nextFetchMs: number;
  readonly listeners: ((keys: readonly Jwk[]) => void)[];
  wish: Wish | null;
}

export class KeySetInbox implements KeySetFeed {
  private readonly sources = new Map<string, SourceState>();

  constructor(
    private readonly post: (request: IdentityRequest) => void,
    private readonly nowMs: () => number,
  ) {}

  /** The main thread has a set, or has tried in vain to get one. */
  onNotice({ source, version, keys, nextFetchMs }: IdentityNotice): void {
    const state = this.stateOf(source);
    state.nextFetchMs = nextFetchMs;
    if (version > state.version) {
      state.version = version;
      state.keys = keys;
      for (const listener of state.listeners) listener(keys);
    }
    state.wish?.grant();
    state.wish = null;
  }

  subscribe(sourceId: string, listener: (keys: readonly Jwk[]) => void): void {
    const state = this.stateOf(sourceId);
    state.listeners.push(listener);
    if (state.version > 0) listener(state.keys);
  }

  askNewer(sourceId: string): Promise<void> | null {
    const state = this.stateOf(sourceId);
    if (state.wish !== null) return state.wish.granted;
    if (this.nowMs() < state.nextFetchMs) return null;
    let grant = (): void => {};
    const granted = new Promise<void>((resolve) => {
      grant = resolve;
    });
    state.wish = { granted, grant };
    this.post({ type: 'keySetWanted', source: sourceId, version: state.version });
    return granted;
  }

  isRevoked(_claims: Claims): boolean {
    return false;
  }

  private stateOf(source: string): SourceState {
    const known = this.sources.get(source);
    if (known !== undefined) return known;
    const state = { version: 0, keys: [], nextFetchMs: 0, listeners: [], wish: null };
    this.sources.set(source, state);
    return state;
  }
}
