/**
 * Makes tokens, renews them, and revokes them.
 *
 * Thread: supervisor (on the main thread). The only owner of sessions and signing keys; workers ask
 * by message. Every worker is told about a session that ends, and the request that ended it is
 * answered when all workers have acknowledged.
 */
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { Clock } from '../../base/clock.js';
import type {
  IdentityNotice,
  KeySetNotice,
  Revocation,
  TokenAsk,
  TokenReply,
} from '../../channel/identity-messages.js';
import type { CompiledTokenService } from '../../config/compiled-config.js';
import { Announcements } from '../announcements.js';
import { type Session, SessionTable } from './session-table.js';
import { SigningKeys } from './signing-keys.js';

/** The largest clock skew that authenticators may allow. */
const SKEW_SECONDS_MAX = 600;

export interface TokenServiceOptions {
  readonly config: CompiledTokenService;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Sends a notice to every worker, and returns the number of workers. */
  broadcast(notice: IdentityNotice): number;
  reply(lane: number, notice: IdentityNotice): void;
}

export class TokenService {
  private readonly keys: SigningKeys;
  private readonly sessions: SessionTable;
  private readonly announcements: Announcements;
  private version = 0;

  constructor(private readonly options: TokenServiceOptions) {
    const { config, logger, clock } = options;
    this.announcements = new Announcements(clock);
    this.sessions = new SessionTable({
      capacity: config.maxSessions,
      accessTokenSeconds: config.accessTokenMs / 1000,
      sessionSeconds: config.refreshTokenMs / 1000,
      skewSeconds: SKEW_SECONDS_MAX,
    });
    this.keys = new SigningKeys(
      config,
      options.clock.nowMs,
      () => this.onKeysChanged(),
      (error) => logger.error({ err: error }, 'no new signing key could be made'),
    );
  }

  start(): Promise<void> {
    return this.keys.start();
  }

  stop(): void {
    this.keys.stop();
    this.announcements.stop();
  }

  /** The notices that a new worker starts with. */
  get notices(): IdentityNotice[] {
    const sessions = this.sessions.revocations(this.unixSeconds());
    return [this.keySetNotice, { type: 'revoked', serial: 0, sessions }];
  }

  /** A worker asks on behalf of a client. */
  onAsk(lane: number, askId: number, ask: TokenAsk): void {
    this.answer(ask).then(
      (reply) => this.options.reply(lane, { type: 'tokenReply', askId, reply }),
      (error: unknown) => {
        this.options.logger.error({ err: error }, 'internal error');
        const reply: TokenReply = { kind: 'failed' };
        this.options.reply(lane, { type: 'tokenReply', askId, reply });
      },
    );
  }

  /** A worker has acknowledged a revocation. */
  onAcknowledged(serial: number): void {
    this.announcements.onAcknowledged(serial);
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
    const opened = this.sessions.open({ consumer, scope, claims }, this.unixSeconds());
    if (opened === null) return { kind: 'full' };
    if (opened.ended !== null) await this.announce(opened.ended);
    return this.tokensOf(opened.session);
  }

  private async refresh(token: string): Promise<TokenReply> {
    const outcome = this.sessions.refresh(token, this.unixSeconds());
    if (outcome.kind === 'session') return this.tokensOf(outcome.session);
    if (outcome.kind === 'reused') {
      const { sessionId } = outcome.revocation;
      this.options.logger.warn({ sessionId }, 'refresh token came twice: session ended');
      await this.announce(outcome.revocation);
    }
    return { kind: 'refused' };
  }

  /**
   * There is nothing to revoke in a token of another service, or one that is not valid any more
   * (RFC 7009).
   */
  private async revoke(token: string): Promise<TokenReply> {
    const session = this.sessions.sessionOf(token);
    const sid = session?.id ?? (await this.keys.read(token))?.['sid'];
    const revocation = typeof sid === 'string' ? this.sessions.end(sid, this.unixSeconds()) : null;
    if (revocation !== null) await this.announce(revocation);
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

  /** Resolves when every worker has acknowledged the revocation. */
  private announce(revocation: Revocation): Promise<void> {
    return this.announcements.announce((serial) =>
      this.options.broadcast({ type: 'revoked', serial, sessions: [revocation] }),
    );
  }

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
      // Workers get every new key at once, so they need not ask for newer ones.
      nextFetchMs: Number.POSITIVE_INFINITY,
    };
  }
}
