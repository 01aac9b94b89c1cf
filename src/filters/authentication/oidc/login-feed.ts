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
  isEnded(provider: string, session: LoginSession, claims: Claims): boolean;
}
