/**
 * A worker's end of logins: where providers are, what is asked of them, and which sessions have
 * ended before their time.
 *
 * Thread: worker. Owns the asks that wait for the main thread, and this worker's copy of the ends,
 * whose number the main thread bounds.
 */
import type { Clock } from '../../base/clock.js';
import type {
  LoginAsk,
  LoginEnd,
  LoginReply,
  LoginSession,
  ProviderFacts,
} from '../../base/login.js';
import type { LoginNotice, LoginRequest } from '../../channel/login-messages.js';
import type { Claims } from '../../filters/authentication/authenticator.js';
import { endKey, endKeysOf } from '../../filters/authentication/oidc/login-ends.js';
import type { LoginFeed } from '../../filters/authentication/oidc/login-feed.js';
import { WaitingAsks, type WaitingRule } from './waiting-asks.js';

const RULE: WaitingRule<LoginReply> = {
  asksMax: 1024,
  // Two calls of a provider at its longest time-out, and some turns.
  waitMs: 65_000,
  whenFull: { kind: 'unavailable', reason: 'too many requests wait for the provider of the login' },
  whenLate: { kind: 'unavailable', reason: 'the provider of the login does not answer in time' },
};

export class LoginClient implements LoginFeed {
  private readonly facts = new Map<string, ProviderFacts>();
  /** By key, in order of the time when they may be forgotten. */
  private readonly ends = new Map<string, LoginEnd>();
  private readonly asks: WaitingAsks<LoginReply>;
  storeEpoch = 0;

  constructor(
    private readonly clock: Clock,
    private readonly post: (request: LoginRequest) => void,
  ) {
    this.asks = new WaitingAsks(clock, RULE);
  }

  factsOf(provider: string): ProviderFacts | null {
    return this.facts.get(provider) ?? null;
  }

  ask(provider: string, ask: LoginAsk): Promise<LoginReply> {
    return this.asks.ask((askId) => this.post({ type: 'loginAsk', askId, provider, ask }));
  }

  isEnded(realm: string, session: LoginSession, claims: Claims): boolean {
    if (this.ends.size === 0) return false;
    return endKeysOf(realm, session, claims).some((key) => {
      const end = this.ends.get(key);
      return end !== undefined && session.beganAt <= end.beganBy;
    });
  }

  onNotice(notice: LoginNotice): void {
    switch (notice.type) {
      case 'loginProvider':
        if (notice.facts === null) this.facts.delete(notice.provider);
        else this.facts.set(notice.provider, notice.facts);
        return;
      case 'loginsEnded':
        this.onEnded(notice.ends);
        if (notice.serial > 0) this.post({ type: 'loginsAcknowledged', serial: notice.serial });
        return;
      case 'loginStore':
        this.storeEpoch = notice.epoch;
        return;
      default:
        this.asks.onReply(notice.askId, notice.reply);
    }
  }

  private onEnded(ends: readonly LoginEnd[]): void {
    for (const end of ends) {
      const key = endKey(end.realm, end.by, end.value);
      // A later end of the same user goes behind all others.
      this.ends.delete(key);
      this.ends.set(key, end);
    }
    const now = this.clock.unixMs() / 1000;
    for (const [key, { until }] of this.ends) {
      if (until > now) break;
      this.ends.delete(key);
    }
  }
}
