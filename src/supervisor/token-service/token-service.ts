/**
 * Makes tokens, renews them, and revokes them.
 *
 * Thread: supervisor (on the main thread). Sessions and keys are in memory here, or in a store that
 * several gateways share; workers ask by message. Every worker is told about a session that ends,
 * and the request that ended it is answered when all workers have acknowledged.
 */
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import { defined } from '../../base/assert.js';
import type { Clock } from '../../base/clock.js';
import type {
  IdentityNotice,
  KeySetNotice,
  Revocation,
  TokenAsk,
  TokenReply,
} from '../../channel/identity-messages.js';
import type { CompiledTokenService } from '../../config/compiled-config.js';
import type { Announcements } from '../announcements.js';
import type { SealedRecords } from '../shared/sealed-records.js';
import type { SharedEvents } from '../shared/shared-events.js';
import type { SharedState } from '../shared/shared-state.js';
import { StoreLostError, type StoreSupervisor } from '../store-supervisor.js';
import { SessionTable } from './session-table.js';
import type { Session, Sessions } from './sessions.js';
import { SharedEnds } from './shared-ends.js';
import { SharedKeys } from './shared-keys.js';
import { SharedSessions } from './shared-sessions.js';
import { SigningKeys } from './signing-keys.js';
import type { TokenKeys } from './token-keys.js';

/** The largest clock skew that authenticators may allow. */
const SKEW_SECONDS_MAX = 600;

export interface TokenServiceOptions {
  readonly config: CompiledTokenService;
  readonly logger: Logger;
  readonly clock: Clock;
  /** null: no store is shared. */
  readonly shared: SharedState | null;
  readonly announcements: Announcements;
  /** Sends a notice to every worker, and returns the number of workers. */
  broadcast(notice: IdentityNotice): number;
  reply(lane: number, notice: IdentityNotice): void;
}

/** What a key of the store is asked for at most, once in this time. */
const READ_MS = 1000;

export class TokenService {
  private readonly keys: TokenKeys;
  private readonly sessions: Sessions;
  private readonly announcements: Announcements;
  /** null: nothing is shared. */
  private readonly sharing: { readonly ends: SharedEnds; readonly keys: SharedKeys } | null;
  private version = 0;
  private nextReadMs = 0;

  constructor(private readonly options: TokenServiceOptions) {
    const { config, shared } = options;
    this.announcements = options.announcements;
    const rules = {
      capacity: config.maxSessions,
      accessTokenSeconds: config.accessTokenMs / 1000,
      sessionSeconds: config.refreshTokenMs / 1000,
      skewSeconds: SKEW_SECONDS_MAX,
    };
    if (!config.isShared) {
      this.sharing = null;
      this.sessions = new SessionTable(rules);
      const onChanged = (): void => this.onKeysChanged();
      this.keys = new SigningKeys(config, options.clock.nowMs, onChanged, this.onKeyError);
      return;
    }
    const { store, events, records, key } = partsOf(shared);
    const sessions = new SharedSessions({ rules, store, key, records: records('session') });
    const keys = new SharedKeys({
      ...{ config, clock: options.clock, records: records('tokens') },
      onChanged: () => this.onKeysChanged(),
      onMade: () => ends.tellOfKeys(),
      onError: this.onKeyError,
    });
    const ends = new SharedEnds({
      ...{ events, sessions, keys, clock: options.clock },
      tellWorkers: (revocations) => this.tellWorkers(revocations),
      onError: (error) => options.logger.error({ err: error }, 'internal error'),
    });
    this.sharing = { ends, keys };
    this.sessions = sessions;
    this.keys = keys;
  }

  start(): Promise<void> {
    this.sharing?.ends.start();
    return this.keys.start();
  }

  stop(): void {
    this.keys.stop();
    this.sharing?.ends.stop();
  }

  /** The notices that a new worker starts with. */
  get notices(): IdentityNotice[] {
    const sessions = this.sessions.revocations(this.unixSeconds());
    return [this.keySetNotice, { type: 'revoked', serial: 0, sessions }];
  }

  /** A token names a key that a worker does not know: another gateway may have made it. */
  async onKeysWanted(lane: number): Promise<void> {
    const { clock, reply } = this.options;
    if (this.sharing !== null && clock.nowMs() >= this.nextReadMs) {
      this.nextReadMs = clock.nowMs() + READ_MS;
      await this.sharing.keys.keep();
    }
    reply(lane, this.keySetNotice);
  }

  /** A worker asks on behalf of a client. */
  onAsk(lane: number, askId: number, ask: TokenAsk): void {
    this.answer(ask).then(
      (reply) => this.options.reply(lane, { type: 'tokenReply', askId, reply }),
      (error: unknown) => {
        const isLost = error instanceof StoreLostError;
        if (!isLost) this.options.logger.error({ err: error }, 'internal error');
        const reply: TokenReply = { kind: isLost ? 'unavailable' : 'failed' };
        this.options.reply(lane, { type: 'tokenReply', askId, reply });
      },
    );
  }

  private async answer(ask: TokenAsk): Promise<TokenReply> {
    switch (ask.kind) {
      case 'issue':
        return this.issue(ask);
      case 'refresh':
        return this.refresh(ask.refreshToken);
      default:
        return this.revoke(ask.token);
    }
  }

  private async issue(ask: Extract<TokenAsk, { kind: 'issue' }>): Promise<TokenReply> {
    const { consumer, scope, claims } = ask;
    const opened = await this.sessions.open({ consumer, scope, claims }, this.unixSeconds());
    if (opened === null) return { kind: 'full' };
    if (opened.ended.length > 0) await this.announce(opened.ended);
    return this.tokensOf(opened.session);
  }

  private async refresh(token: string): Promise<TokenReply> {
    const outcome = await this.sessions.refresh(token, this.unixSeconds());
    if (outcome.kind === 'session') return this.tokensOf(outcome.session);
    if (outcome.kind === 'reused') {
      const { sessionId } = outcome.revocation;
      this.options.logger.warn({ sessionId }, 'refresh token came twice: session ended');
      await this.announce([outcome.revocation]);
    }
    return { kind: 'refused' };
  }

  /**
   * There is nothing to revoke in a token of another service, or one that is not valid any more
   * (RFC 7009).
   */
  private async revoke(token: string): Promise<TokenReply> {
    const sid = this.sessions.sessionIdOf(token) ?? (await this.keys.read(token))?.['sid'];
    const ended = typeof sid === 'string' ? await this.sessions.end(sid, this.unixSeconds()) : null;
    if (ended === null) return { kind: 'revoked' };
    await this.announce([ended.revocation]);
    // It has ended here, and is told as soon as the store is back; until then it lives elsewhere.
    if (!ended.isKept) return { kind: 'unavailable' };
    return { kind: 'revoked' };
  }

  private async tokensOf(session: Session): Promise<TokenReply> {
    const { issuer, audience, accessTokenMs } = this.options.config;
    const refreshToken = this.sessions.refreshToken(session);
    const now = Math.floor(this.unixSeconds());
    const { consumer: sub, scope, id: sid } = session;
    const accessToken = await this.keys.sign({
      ...session.claims,
      ...{ iss: issuer, aud: audience, sub, scope, sid },
      ...{ jti: randomBytes(12).toString('base64url'), iat: now, exp: now + accessTokenMs / 1000 },
    });
    const expiresInSeconds = accessTokenMs / 1000;
    return { kind: 'tokens', accessToken, refreshToken, expiresInSeconds, scope };
  }

  /** Resolves when every worker has acknowledged, and every gateway in time. */
  private async announce(revocations: readonly Revocation[]): Promise<void> {
    await Promise.all([this.tellWorkers(revocations), this.sharing?.ends.tell(revocations)]);
  }

  private tellWorkers(sessions: readonly Revocation[]): Promise<void> {
    if (sessions.length === 0) return Promise.resolve();
    return this.announcements.announce((serial) =>
      this.options.broadcast({ type: 'revoked', serial, sessions }),
    );
  }

  private readonly onKeyError = (error: unknown): void => {
    this.options.logger.error({ err: error }, 'no new signing key could be made');
  };

  private onKeysChanged(): void {
    this.version++;
    this.options.broadcast(this.keySetNotice);
    this.options.logger.info({ keys: this.keys.published.length }, 'signing key rotated');
  }

  private unixSeconds(): number {
    return this.options.clock.unixMs() / 1000;
  }

  private get keySetNotice(): KeySetNotice {
    return {
      type: 'keySet',
      source: 'tokenService',
      version: this.version,
      keys: this.keys.published.map((key) => ({ ...key })),
      // Of keys made here workers hear at once; of those of another gateway they may ask.
      nextFetchMs: this.sharing === null ? Number.POSITIVE_INFINITY : this.nextReadMs,
    };
  }
}

/** What of the shared state is needed; the configuration was checked. */
function partsOf(shared: SharedState | null): {
  readonly store: StoreSupervisor;
  readonly events: SharedEvents;
  readonly key: Buffer;
  records(area: string): SealedRecords;
} {
  const { store, events } = defined(shared ?? undefined, 'the store of the token service');
  const key = defined(shared?.key('refresh tokens') ?? undefined, 'the secret of the store');
  const records = (area: string): SealedRecords =>
    defined(shared?.records(area) ?? undefined, 'the secret of the store');
  return { store, events, key, records };
}
