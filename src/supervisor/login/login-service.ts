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
import { claimsIn } from '../../filters/authentication/oidc/login-session.js';
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
import { StoredEnds } from './stored-ends.js';

export interface LoginServiceOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly keys: ProviderKeys;
  /** null: no other gateway has the same sessions. */
  readonly shared: Pick<SharedState, 'events' | 'records' | 'key' | 'store'> | null;
  /** Sends a notice to every worker, and returns the number of workers. */
  broadcast(notice: IdentityNotice): number;
  reply(lane: number, notice: IdentityNotice): void;
}

/** A gateway that starts waits no longer to hear which sessions have ended. */
const UNITED_MS_MAX = 2000;

const GONE: LoginReply = { kind: 'unavailable', reason: 'the login has been reconfigured' };

export class LoginService {
  private readonly providers = new Map<string, LoginProvider>();
  private readonly ended: EndedLogins;
  private readonly announcements: Announcements;
  private readonly records: SealedRecords | null;
  private readonly others: OtherGateways | null;
  /** As workers know it; 0: not united with other gateways. */
  private storeEpoch = 0;
  private lastEpoch = 0;
  private onUnited: () => void = () => {};

  constructor(private readonly options: LoginServiceOptions) {
    const { clock, logger, shared } = options;
    this.records = shared?.records('logins') ?? null;
    this.announcements = new Announcements(clock);
    this.ended = new EndedLogins(({ realm }) =>
      logger.warn({ realm }, 'too many sessions were ended: an end is forgotten'),
    );
    this.others =
      shared === null
        ? null
        : new OtherGateways({
            ...{ events: shared.events, stored: StoredEnds.in(shared), logger, clock },
            endHere: (ends) => this.endHere(ends),
            known: () => this.ended.all,
            onUnited: (isUnited) => this.setUnited(isUnited),
          });
  }

  /** Resolves when it is known which sessions have ended, or when that takes too long. */
  async whenUnited(): Promise<void> {
    if (this.records === null || this.storeEpoch > 0) return;
    const united = new Promise<void>((resolve) => {
      this.onUnited = resolve;
    });
    const timer = this.options.clock.after(UNITED_MS_MAX, this.onUnited);
    await united;
    timer.cancel();
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
        isUnited: () => this.storeEpoch > 0,
        onFacts: (facts) =>
          void this.options.broadcast({ type: 'loginProvider', provider: id, facts }),
        endEverywhere: (ends) => this.endEverywhere(ends),
        endsOf: (session) => this.endsOf(provider.realm, session),
      });
      this.providers.set(id, added);
      added.start();
    }
  }

  stop(): void {
    this.others?.stop();
    for (const provider of this.providers.values()) provider.stop();
    this.announcements.stop();
  }

  /** The notices that a new worker starts with. */
  get notices(): IdentityNotice[] {
    const known = [...this.providers].map(([provider, { facts }]): IdentityNotice => {
      return { type: 'loginProvider', provider, facts };
    });
    return [
      ...known,
      { type: 'loginsEnded', serial: 0, ends: this.ended.all },
      { type: 'loginStore', epoch: this.storeEpoch },
    ];
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

  private setUnited(isUnited: boolean): void {
    if (isUnited) this.lastEpoch += 1;
    this.storeEpoch = isUnited ? this.lastEpoch : 0;
    this.options.broadcast({ type: 'loginStore', epoch: this.storeEpoch });
    if (!isUnited) return;
    this.onUnited();
    for (const provider of this.providers.values()) provider.onStoreBack();
  }

  /** Ends of sessions with this id, or with the `sid` or `sub` of its ID token. */
  private endsOf(realm: string, { id, idToken }: LoginSession): LoginEnd[] {
    const { sid, sub } = claimsIn(idToken) ?? {};
    return [
      this.ended.find(realm, 'id', id),
      typeof sid === 'string' ? this.ended.find(realm, 'sid', sid) : undefined,
      typeof sub === 'string' ? this.ended.find(realm, 'sub', sub) : undefined,
    ].filter((end) => end !== undefined);
  }

  /** False: other gateways cannot be told now, and will be later. */
  private async endEverywhere(ends: readonly LoginEnd[]): Promise<boolean> {
    const [, isTold = true] = await Promise.all([this.endHere(ends), this.others?.tell(ends)]);
    return isTold;
  }

  /** Resolves when every worker of this gateway refuses these sessions. */
  private async endHere(told: readonly LoginEnd[]): Promise<void> {
    const now = this.options.clock.unixMs() / 1000;
    const ends = told.map((end) => this.ended.add(end, now));
    await this.announcements.announce((serial) =>
      this.options.broadcast({ type: 'loginsEnded', serial, ends }),
    );
  }
}
