/**
 * One OpenID provider for all workers: where its endpoints are, and what is asked of it for
 * browsers that log in, whose session is renewed, and who log out.
 *
 * Thread: supervisor (on the main thread). Owns the discovery document, which outlives failures,
 * and a timer; the states that were used; and the latest renewal of each session, so that requests
 * that come at once, and those that still bring the older cookie, share one. Invariant: a code, a
 * state, a logout token works once.
 */
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { Clock, Timer } from '../../base/clock.js';
import type {
  LoginAsk,
  LoginEnd,
  LoginReply,
  LoginSession,
  ProviderFacts,
} from '../../base/login.js';
import {
  claimsIn,
  isEndOf,
  sealSession,
  sealSessionId,
} from '../../filters/authentication/oidc/login-session.js';
import { CookieSealer } from '../../filters/authentication/oidc/sealed-cookie.js';
import type { CompiledProvider } from '../../filters/authentication/options.js';
import type { SealedRecords } from '../shared/sealed-records.js';
import { StoreLostError } from '../store-supervisor.js';
import {
  failureOf,
  ProviderClient,
  type ProviderDocument,
  type ProviderTokensFound,
} from './provider-client.js';
import { type ProviderKeys, ProviderTokens } from './provider-tokens.js';
import { RecentMap } from './recent-map.js';
import { SharedRenewals } from './shared-renewals.js';
import { StoredSessions } from './stored-sessions.js';

const DISCOVERY_MS = 10 * 60_000;
const RETRY_MS_MIN = 1000;
const RETRY_MS_MAX = 30_000;
/** Longer than any cookie of a login that was begun is good. */
const STATE_SECONDS = 20 * 60;
const STATES_MAX = 100_000;
const UNSTORED_MAX = 1000;
/** For that long browsers may come with the cookie of before the renewal. */
const RENEWAL_SECONDS = 60 * 60;
const RENEWALS_MAX = 4096;
/** Longer than a logout token may be old, with the largest clock skew twice. */
const LOGOUT_SECONDS = 30 * 60;
const LOGOUTS_MAX = 100_000;
/** New tokens are fetched when so much of their time is left, or a quarter of it. */
const EARLY_SECONDS = 30;
/** Clocks of gateways are closer together than this. */
const CLOCKS_APART_SECONDS = 10;
/**
 * What a renewal takes beside the provider's time-out: the new ID token may be signed with a key
 * for which the provider is asked, too (5 s for each of two documents).
 */
const RENEWAL_MARGIN_MS = 11_000;

interface Renewal {
  /** Of the session that was renewed. */
  readonly generation: number;
  readonly reply: Promise<LoginReply>;
}

export interface LoginProviderOptions {
  readonly provider: CompiledProvider;
  readonly keys: ProviderKeys;
  /** null: no gateway shares its sessions, or they have no secret in common. */
  readonly records: SealedRecords | null;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Workers are to know where the provider takes logins. */
  onFacts(facts: ProviderFacts): void;
  /**
   * Resolves when every worker refuses these sessions, and other gateways do. False: these cannot
   * be told now, and will be later.
   */
  endEverywhere(ends: readonly LoginEnd[]): Promise<boolean>;
  /** Ends that have to do with the session, or with an earlier one of the same user. */
  endsOf(session: LoginSession): readonly LoginEnd[];
  /** Whether all ends are known that other gateways know. */
  isUnited(): boolean;
}

export class LoginProvider {
  readonly provider: CompiledProvider;
  private readonly client: ProviderClient;
  private readonly tokens: ProviderTokens;
  private readonly sealer: CookieSealer;
  private readonly states = new RecentMap<true>(STATES_MAX, STATE_SECONDS);
  private readonly logouts = new RecentMap<true>(LOGOUTS_MAX, LOGOUT_SECONDS);
  private readonly renewals = new RecentMap<Renewal>(RENEWALS_MAX, RENEWAL_SECONDS);
  private readonly shared: SharedRenewals | null;
  /** null: sessions are in cookies. */
  private readonly stored: StoredSessions | null;
  /** New sessions that the store did not take, by the state of their login. */
  private readonly unstored = new RecentMap<LoginSession>(UNSTORED_MAX, STATE_SECONDS);
  /** Sessions as the latest renewals have made them, which a store may not have or have lost. */
  private readonly renewed = new RecentMap<LoginSession>(RENEWALS_MAX, RENEWAL_SECONDS);
  private document: ProviderDocument | null = null;
  private failures = 0;
  private timer: Timer | null = null;
  private isStopped = false;

  constructor(private readonly options: LoginProviderOptions) {
    const { provider, keys, records, clock } = options;
    this.provider = provider;
    this.client = new ProviderClient(provider);
    this.tokens = new ProviderTokens(provider, keys, () => this.now);
    this.sealer = new CookieSealer(provider.secrets, provider.name);
    const waitMs = provider.timeoutMs + RENEWAL_MARGIN_MS;
    const { isStored } = provider;
    this.shared = records && new SharedRenewals(records, clock, waitMs, !isStored);
    this.stored =
      isStored && records ? new StoredSessions(records, provider, () => this.now) : null;
  }

  start(): void {
    void this.discover();
  }

  stop(): void {
    this.isStopped = true;
    this.timer?.cancel();
    void this.client.close();
  }

  /** null: not known yet. */
  get facts(): ProviderFacts | null {
    const authorizationEndpoint = this.document?.authorization_endpoint;
    return authorizationEndpoint === undefined ? null : { authorizationEndpoint };
  }

  /** Rejects only because of a mistake in the gateway. */
  async answer(ask: LoginAsk): Promise<LoginReply> {
    try {
      return await this.answerWith(this.stored, ask);
    } catch (error) {
      if (error instanceof StoreLostError) return LOST;
      throw error;
    }
  }

  /** The store answers again: tokens that it does not know yet, or has lost, are written. */
  onStoreBack(): void {
    const { stored, renewed } = this;
    if (stored === null) return;
    const warn = (error: unknown): void => this.warn(String(error), 'renewed session not written');
    stored.renewAll(renewed.values).then((errors) => errors.forEach(warn), warn);
  }

  private answerWith(stored: StoredSessions | null, ask: LoginAsk): Promise<LoginReply> {
    switch (ask.kind) {
      case 'code':
        return this.logIn(ask);
      case 'refresh':
        return stored === null ? this.renew(ask.session) : this.renewStored(stored, ask.session);
      case 'end':
        return this.logOut(ask.session, ask.returnTo);
      case 'logoutToken':
        return this.onLogoutToken(ask.token);
      default:
        // Without the store nobody has such a session: the configuration asks for both.
        return stored === null ? Promise.resolve(LOST) : this.answerStored(stored, ask);
    }
  }

  private async answerStored(stored: StoredSessions, ask: StoredAsk): Promise<LoginReply> {
    if (ask.kind === 'endStored') return this.logOutStored(stored, ask.id, ask.returnTo);
    if (!this.options.isUnited()) return LOST;
    const { id } = ask;
    const session = await (ask.kind === 'seen' ? stored.noteUse(id, ask.seenAt) : stored.read(id));
    if (session === null || this.hasEnded(session)) return OVER;
    return { kind: 'known', session };
  }

  private hasEnded(session: LoginSession): boolean {
    const claims = claimsIn(session.idToken) ?? {};
    return this.options.endsOf(session).some((end) => isEndOf(end, session, claims));
  }

  private get now(): number {
    return this.options.clock.unixMs() / 1000;
  }

  private async discover(): Promise<void> {
    const { clock, logger, onFacts } = this.options;
    const { issuer } = this.provider;
    try {
      this.document = await this.client.discover();
      this.failures = 0;
    } catch (error) {
      this.failures++;
      const { cause } = failureOf(error);
      logger.warn({ issuer, reason: cause, failures: this.failures }, 'provider not found');
    }
    if (this.isStopped) return;
    const { facts } = this;
    if (facts !== null && this.failures === 0) onFacts(facts);
    const doubled = RETRY_MS_MIN * 2 ** Math.min(this.failures - 1, 10);
    const waitMs = this.failures === 0 ? DISCOVERY_MS : Math.min(RETRY_MS_MAX, doubled);
    this.timer = clock.after(waitMs, () => void this.discover());
  }

  private async logIn(ask: Extract<LoginAsk, { readonly kind: 'code' }>): Promise<LoginReply> {
    const { document, stored } = this;
    if (document === null) return NOT_FOUND;
    // With the code used up, and no session, the user would have to begin anew.
    if (stored !== null && !this.options.isUnited()) return LOST;
    const begun = this.unstored.get(ask.state, this.now);
    if (stored !== null && begun !== undefined) return this.keepNew(stored, ask.state, begun);
    if (this.states.get(ask.state, this.now) !== undefined) return USED;
    this.states.set(ask.state, true, this.now);
    let session: LoginSession;
    try {
      const found = await this.client.exchange(document, ask);
      const { accessToken } = found;
      await this.tokens.readIdToken(found.idToken, { nonce: ask.nonce, accessToken, subject: '' });
      session = this.newSession(found);
    } catch (error) {
      const failure = failureOf(error);
      const { cause, code } = failure;
      if (failure.kind === 'refused') {
        const reason =
          code === '' ? 'the provider does not confirm it' : `the provider says ${code}`;
        return { kind: 'refused', reason, cause };
      }
      // The browser may come again with the same code.
      this.states.delete(ask.state);
      this.warn(cause, 'login not finished');
      return { kind: 'unavailable', reason: 'the provider of the login does not answer now' };
    }
    return stored === null ? this.sessionReply(session) : this.keepNew(stored, ask.state, session);
  }

  /** Where the store does not answer, the browser may come again: its code is used up by now. */
  private async keepNew(
    stored: StoredSessions,
    state: string,
    session: LoginSession,
  ): Promise<LoginReply> {
    this.unstored.set(state, session, this.now);
    const isKept = await stored.create(session);
    this.unstored.delete(state);
    return isKept ? this.sessionReply(session) : TOO_LARGE;
  }

  private newSession(found: ProviderTokensFound): LoginSession {
    const now = Math.floor(this.now);
    const endsAt = now + this.provider.lifetimeMs / 1000;
    const id = randomBytes(18).toString('base64url');
    const session = { id, generation: 0, ...this.kept(found), beganAt: now, seenAt: now, endsAt };
    // What ended before this login ends it by no clock.
    const lastEnd = Math.max(...this.options.endsOf(session).map(({ beganBy }) => beganBy));
    return { ...session, beganAt: Math.max(now, lastEnd + 1) };
  }

  /** What a session holds of the provider's answer. */
  private kept({ idToken, accessToken, refreshToken, expiresIn }: ProviderTokensFound) {
    const hasEnd = refreshToken !== '' && expiresIn > 0;
    const now = Math.floor(this.now);
    const early = Math.min(EARLY_SECONDS, expiresIn / 4);
    return {
      idToken,
      accessToken: this.provider.keepsAccessToken ? accessToken : '',
      refreshToken,
      refreshAt: hasEnd ? now + expiresIn - early : 0,
      tokenEndsAt: hasEnd ? now + expiresIn : 0,
    };
  }

  private sessionReply(session: LoginSession): LoginReply {
    const { stored, sealer } = this;
    const isNamed = stored !== null;
    const sealed = isNamed ? sealSessionId(session.id, sealer) : sealSession(session, sealer);
    return { kind: 'session', session, sealed };
  }

  /** Whatever the worker knew: the store has the latest tokens, and only those may be used. */
  private async renewStored(
    stored: StoredSessions,
    { id, generation }: LoginSession,
  ): Promise<LoginReply> {
    if (!this.options.isUnited()) return LOST;
    const latest = await stored.read(id);
    if (latest === null || this.hasEnded(latest)) return OVER;
    if (latest.generation > generation) return this.sessionReply(latest);
    const reply = await this.renew(latest);
    if (reply.kind === 'over') await stored.end(id);
    if (reply.kind !== 'session') return reply;
    const { session } = reply;
    this.renewed.set(id, session, this.now);
    const written = await stored.renew(session);
    return written === null ? OVER : this.sessionReply(written);
  }

  /** One renewal for all who ask for it, and for those who come later with the older cookie. */
  private renew(session: LoginSession): Promise<LoginReply> {
    if (this.hasEnded(session)) return Promise.resolve(OVER);
    const latest = this.renewals.get(session.id, this.now);
    if (latest !== undefined && latest.generation >= session.generation) return latest.reply;
    const fetch = (): Promise<LoginReply> => this.fetchTokens(session);
    const reply = this.shared === null ? fetch() : this.shared.run(session, fetch);
    const renewal = { generation: session.generation, reply };
    this.renewals.set(session.id, renewal, this.now);
    const forget = (): void => {
      if (this.renewals.get(session.id, this.now) === renewal) this.renewals.delete(session.id);
    };
    reply.then((result) => result.kind === 'unavailable' && forget(), forget);
    return reply;
  }

  private async fetchTokens(session: LoginSession): Promise<LoginReply> {
    const { document } = this;
    if (document === null) return NOT_FOUND;
    try {
      const found = await this.client.refresh(document, session.refreshToken);
      if (found.idToken !== '') await this.checkRenewed(found, session);
      return this.sessionReply({
        ...session,
        ...this.kept({
          ...found,
          idToken: found.idToken === '' ? session.idToken : found.idToken,
          // RFC 6749 6: the one that was used stays good where no other comes.
          refreshToken: found.refreshToken === '' ? session.refreshToken : found.refreshToken,
        }),
        generation: session.generation + 1,
      });
    } catch (error) {
      const { kind, code, cause } = failureOf(error);
      this.warn(cause, 'session not renewed');
      // Another error than this one is about the gateway, not about the session.
      if (kind === 'refused' && (code === 'invalid_grant' || code === '')) return OVER;
      return { kind: 'unavailable', reason: 'the provider does not renew the session now' };
    }
  }

  /** The renewed token is of the same user (OpenID Connect Core 12.2). */
  private async checkRenewed(found: ProviderTokensFound, session: LoginSession): Promise<void> {
    const subject = String(claimsIn(session.idToken)?.['sub'] ?? '');
    const { idToken, accessToken } = found;
    await this.tokens.readIdToken(idToken, { nonce: null, accessToken, subject });
  }

  private async logOut(session: LoginSession, returnTo: string): Promise<LoginReply> {
    const { document } = this;
    const sid = claimsIn(session.idToken)?.['sid'];
    const isTold = await this.options.endEverywhere([
      this.endOf('id', session.id),
      ...(typeof sid === 'string' ? [this.endOf('sid', sid)] : []),
    ]);
    if (!isTold && this.stored !== null) return LOST;
    if (session.refreshToken !== '' && document?.revocation_endpoint !== undefined) {
      this.client
        .revoke(document, session.refreshToken)
        .catch((error: unknown) => this.warn(failureOf(error).cause, 'token not revoked'));
    }
    return { kind: 'ended', location: this.logoutLocation(session, returnTo) };
  }

  private async logOutStored(
    stored: StoredSessions,
    id: string,
    returnTo: string,
  ): Promise<LoginReply> {
    try {
      const session = await stored.read(id);
      if (session !== null) {
        await stored.end(id);
        return this.logOut(session, returnTo);
      }
    } catch (error) {
      if (!(error instanceof StoreLostError)) throw error;
    }
    // The store does not know it, or is lost: it has ended here at once, and elsewhere later.
    const isTold = await this.options.endEverywhere([this.endOf('id', id)]);
    return isTold ? { kind: 'ended', location: '' } : LOST;
  }

  /** RP-Initiated Logout 1.0, 2; '': the provider has none. */
  private logoutLocation({ idToken }: LoginSession, returnTo: string): string {
    const endpoint = this.document?.end_session_endpoint;
    if (endpoint === undefined) return '';
    const url = new URL(endpoint);
    url.searchParams.set('id_token_hint', idToken);
    url.searchParams.set('client_id', this.provider.clientId);
    url.searchParams.set('post_logout_redirect_uri', returnTo);
    return url.href;
  }

  private async onLogoutToken(token: string): Promise<LoginReply> {
    try {
      const { sid, sub, jti } = await this.tokens.readLogoutToken(token);
      const name = String(jti);
      if (this.logouts.get(name, this.now) !== undefined) {
        return { kind: 'refused', reason: 'the token was used before', cause: `jti ${name}` };
      }
      this.logouts.set(name, true, this.now);
      // With sid only that session ends; sub alone means all of the user's.
      const end = typeof sid === 'string' ? this.endOf('sid', sid) : this.endOf('sub', String(sub));
      const isTold = await this.options.endEverywhere([end]);
      if (isTold || this.stored === null) return { kind: 'ended', location: '' };
      // The provider may say it again.
      this.logouts.delete(name);
      return LOST;
    } catch (error) {
      const { kind, cause } = failureOf(error);
      if (kind !== 'refused') throw error;
      return { kind: 'refused', reason: 'the logout token is not valid', cause };
    }
  }

  private endOf(by: LoginEnd['by'], value: string): LoginEnd {
    const now = Math.floor(this.now);
    // Sessions begin by the clock of another gateway, too. No other session has this id.
    const apart = this.options.records === null ? 0 : CLOCKS_APART_SECONDS;
    const beganBy = by === 'id' ? Number.MAX_SAFE_INTEGER : now + apart;
    const until = now + apart + this.provider.lifetimeMs / 1000;
    return { realm: this.provider.realm, by, value, beganBy, until };
  }

  private warn(reason: string, message: string): void {
    this.options.logger.warn({ issuer: this.provider.issuer, reason }, message);
  }
}

const NOT_FOUND: LoginReply = {
  kind: 'unavailable',
  reason: 'the provider of the login could not be reached yet',
};
const USED: LoginReply = {
  kind: 'refused',
  reason: 'it was finished before',
  cause: 'the state was used before',
};
const TOO_LARGE: LoginReply = {
  kind: 'refused',
  reason: 'the session is too large for the store',
  cause: 'the tokens of the provider are above 64 KB',
};
const LOST: LoginReply = { kind: 'unavailable', reason: 'the store with the sessions is lost' };
const OVER: LoginReply = { kind: 'over' };

type StoredAsk = Extract<LoginAsk, { readonly kind: 'read' | 'seen' | 'endStored' }>;
