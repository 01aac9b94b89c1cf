/**
 * What a login hears from the main thread, and asks it.
 *
 * Thread: worker. worker/identity/login-client.ts implements it.
 */
import type { LoginAsk, LoginReply, LoginSession, ProviderFacts } from '../../../base/login.js';
import type { Claims } from '../authenticator.js';

export interface LoginFeed {
  /** null: it is not known yet where the provider takes logins. */
  factsOf(provider: string): ProviderFacts | null;
  /** Never rejects. `unavailable`: too many asks wait, or nobody has answered in time. */
  ask(provider: string, ask: LoginAsk): Promise<LoginReply>;
  /** Whether the session was ended, by its user or by its provider. */
  isEnded(realm: string, session: LoginSession, claims: Claims): boolean;
  /**
   * As long as it is the same, whatever ends a session of the store is told here. 0: it is not told
   * now, so that nothing may be taken for granted that was read before.
   */
  readonly storeEpoch: number;
}
