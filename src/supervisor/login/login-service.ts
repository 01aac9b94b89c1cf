/**
 * The OpenID providers of all logins, for the workers.
 *
 * Thread: supervisor (on the main thread). Owns the providers by id, and the sessions that have
 * ended before their time. Every worker is told of an end, and whoever has caused it is answered
 * when all workers have acknowledged.
 */
import type { Logger } from 'pino';
import type { Clock } from '../../base/clock.js';
import type { LoginEnd, LoginReply, LoginSession } from '../../base/login.js';
import type { IdentityNotice } from '../../channel/identity-messages.js';
import type { LoginRequest } from '../../channel/login-messages.js';
import { claimsIn, isEndOf } from '../../filters/authentication/oidc/login-session.js';
import type {
  CompiledAuthenticator,
  CompiledProvider,
} from '../../filters/authentication/options.js';
import { Announcements } from '../announcements.js';
import type { SealedRecords } from '../shared/sealed-records.js';
import type { SharedState } from '../shared/shared-state.js';
import { EndedLogins } from './ended-logins.js';
import { LoginProvider } from './login-provider.js';
import { OtherGateways } from './other-gateways.js';
import type { ProviderKeys } from './provider-tokens.js';

export interface LoginServiceOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly keys: ProviderKeys;
  /** null: no other gateway has the same sessions. */
  readonly shared: Pick<SharedState, 'events' | 'records'> | null;
  /** Sends a notice to every worker, and returns the number of workers. */
  broadcast(notice: IdentityNotice): number;
  reply(lane: number, notice: IdentityNotice): void;
}

const GONE: LoginReply = { kind: 'unavailable', reason: 'the login has been reconfigured' };

export class LoginService {
  private readonly providers = new Map<string, LoginProvider>();
  private readonly ended: EndedLogins;
  private readonly announcements: Announcements;
  private readonly records: SealedRecords | null;
  private readonly others: OtherGateways | null;

  constructor(private readonly options: LoginServiceOptions) {
    const { clock, logger, shared } = options;
    this.records = shared?.records('logins') ?? null;
    this.others =
      shared === null
        ? null
        : new OtherGateways(shared.events, logger, (ends) => this.endHere(ends));
    this.announcements = new Announcements(clock);
    this.ended = new EndedLogins(({ provider }) =>
      logger.warn({ provider }, 'too many sessions were ended: an end is forgotten'),
    );
  }

  /** Keeps the providers of these authenticators, and drops all others. */
  adopt(authenticators: readonly CompiledAuthenticator[]): void {
    const wanted = new Map<string, CompiledProvider>();
    for (const one of authenticators) {
      if (one.type === 'oidc') wanted.set(one.provider.id, one.provider);
    }
    for (const [id, known] of this.providers) {
      if (wanted.has(id)) continue;
      known.stop();
      this.providers.delete(id);
      this.options.broadcast({ type: 'loginProvider', provider: id, facts: null });
    }
    for (const [id, provider] of wanted) {
      if (this.providers.has(id)) continue;
      const added = new LoginProvider({
        ...this.options,
        provider,
        records: this.records,
        onFacts: (facts) =>
          void this.options.broadcast({ type: 'loginProvider', provider: id, facts }),
        endEverywhere: (ends) => this.endEverywhere(ends),
        isEnded: (of, session) => this.isEnded(of, session),
      });
      this.providers.set(id, added);
      added.start();
    }
  }

  stop(): void {
    for (const provider of this.providers.values()) provider.stop();
    this.announcements.stop();
  }

  /** The notices that a new worker starts with. */
  get notices(): IdentityNotice[] {
    const known = [...this.providers].map(([provider, { facts }]): IdentityNotice => {
      return { type: 'loginProvider', provider, facts };
    });
    return [...known, { type: 'loginsEnded', serial: 0, ends: this.ended.all }];
  }

  onRequest(lane: number, request: LoginRequest): void {
    if (request.type === 'loginsAcknowledged') {
      this.announcements.onAcknowledged(request.serial);
      return;
    }
    const { askId, ask } = request;
    const answer = this.providers.get(request.provider)?.answer(ask) ?? Promise.resolve(GONE);
    answer
      .catch((error: unknown): LoginReply => {
        this.options.logger.error({ err: error }, 'internal error');
        return { kind: 'failed' };
      })
      .then((reply) => this.options.reply(lane, { type: 'loginReply', askId, reply }));
  }

  private isEnded(provider: string, session: LoginSession): boolean {
    const claims = claimsIn(session.idToken) ?? {};
    const { sid, sub } = claims;
    return [
      this.ended.find(provider, 'id', session.id),
      typeof sid === 'string' ? this.ended.find(provider, 'sid', sid) : undefined,
      typeof sub === 'string' ? this.ended.find(provider, 'sub', sub) : undefined,
    ].some((end) => end !== undefined && isEndOf(end, session, claims));
  }

  private async endEverywhere(ends: readonly LoginEnd[]): Promise<void> {
    await Promise.all([this.endHere(ends), this.others?.tell(ends)]);
  }

  /** Resolves when every worker of this gateway refuses these sessions. */
  private async endHere(ends: readonly LoginEnd[]): Promise<void> {
    const now = this.options.clock.unixMs() / 1000;
    for (const end of ends) this.ended.add(end, now);
    await this.announcements.announce((serial) =>
      this.options.broadcast({ type: 'loginsEnded', serial, ends }),
    );
  }
}
