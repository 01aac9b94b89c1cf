/**
 * Key sets that the main thread has fetched, requests for newer ones, and revocations.
 *
 * Thread: worker. Owns this worker's copies. At most one request for a source is on its way;
 * however many exchanges wait for a newer set, the main thread gets one request.
 */
import type { Jwk } from '../../base/json-web-key.js';
import type { IdentityRequest, KeySetNotice, Revocation } from '../../channel/identity-messages.js';
import type { Claims } from '../../filters/authentication/authenticator.js';
import type { KeySetFeed } from '../../filters/authentication/key-set-feed.js';

interface Wish {
  readonly granted: Promise<void>;
  readonly grant: () => void;
}

interface SourceState {
  version: number;
  keys: readonly Jwk[];
  nextFetchMs: number;
  readonly listeners: Set<(keys: readonly Jwk[]) => void>;
  wish: Wish | null;
}

/** The token service's keys are published, whether or not an authenticator uses them. */
const OWN_KEYS = 'tokenService';

export class ReceivedKeySets implements KeySetFeed {
  private readonly sources = new Map<string, SourceState>();
  /**
   * Until when each session's revocation lasts, in order of time; the main thread bounds their
   * number.
   */
  private readonly revoked = new Map<string, number>();

  constructor(
    private readonly post: (request: IdentityRequest) => void,
    private readonly nowMs: () => number,
  ) {}

  /** The main thread has a set, or a fetch has failed. */
  onNotice({ source, version, keys, nextFetchMs }: KeySetNotice): void {
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

  subscribe(sourceId: string, listener: (keys: readonly Jwk[]) => void): () => void {
    const state = this.stateOf(sourceId);
    state.listeners.add(listener);
    if (state.version > 0) listener(state.keys);
    return () => {
      state.listeners.delete(listener);
      // A set that nobody uses would be too old by the time that somebody uses it again.
      if (state.listeners.size === 0 && sourceId !== OWN_KEYS) this.sources.delete(sourceId);
    };
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

  /** The known keys of a source; empty: none yet. */
  keysOf(sourceId: string): readonly Jwk[] {
    return this.stateOf(sourceId).keys;
  }

  /** Sessions of the token service have ended. */
  onRevoked(sessions: readonly Revocation[], nowSeconds: number): void {
    for (const { sessionId, until } of sessions) this.revoked.set(sessionId, until);
    // The sessions came in order of time, so those that are over stand first.
    for (const [sessionId, until] of this.revoked) {
      if (until > nowSeconds) break;
      this.revoked.delete(sessionId);
    }
  }

  isRevoked(claims: Claims): boolean {
    const { sid } = claims;
    return this.revoked.size > 0 && typeof sid === 'string' && this.revoked.has(sid);
  }

  private stateOf(source: string): SourceState {
    const known = this.sources.get(source);
    if (known !== undefined) return known;
    const state = { version: 0, keys: [], nextFetchMs: 0, listeners: new Set<never>(), wish: null };
    this.sources.set(source, state);
    return state;
  }
}
