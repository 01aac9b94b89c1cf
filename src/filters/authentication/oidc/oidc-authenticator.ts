/**
 * Knows browsers by the session in their cookies, and sends those without one to the provider
 * (OpenID Connect Core 1.0, RFC 7636, RFC 9700).
 *
 * Thread: worker. Owns a bounded number of sessions that were opened, under a hash of the cookie.
 * A request with a session that needs no new tokens is decided here and at once. Invariant: nobody
 * but a browser that asks for a page is sent anywhere, and only to the provider's own address.
 */
import type { FieldBlock } from '../../../base/field-block.js';
import type { LoginReply, LoginSession } from '../../../base/login.js';
import {
  ABSENT,
  type AuthenticationRequest,
  type AuthenticationResult,
  type Authenticator,
  type Claims,
  type LoginPaths,
  refused,
  unavailable,
} from '../authenticator.js';
import { tokenDigest } from '../bearer-token.js';
import { ExpiringMemory } from '../expiring-memory.js';
import { claimAt, makeIdentity, textOf } from '../identity.js';
import type { CompiledOidcAuthenticator, CredentialPlace } from '../options.js';
import {
  type Cookies,
  cookiesOf,
  isSecure,
  originOf,
  redirect,
  wantsPage,
} from './browser-request.js';
import { LoginCookies } from './login-cookies.js';
import type { LoginFeed } from './login-feed.js';
import { BrowserLoginPaths } from './login-paths.js';
import { claimsIn, isOver, openSession, openSessionId, sealSession } from './login-session.js';
import { challengeOf, newLogin, sealLogin } from './pending-login.js';
import { CookieSealer } from './sealed-cookie.js';

const REMEMBERED_MAX = 4096;
const REMEMBERED_CHARS_MAX = 16 * 1024 * 1024;
/** A session's last use is written into its cookie again after this part of `idle`. */
const NOTED_AT = 0.1;
/** After a provider that did not answer it is left alone for this time. */
const RETRY_SECONDS = 5;
/** For so long a session of the store is believed to be as it was read. */
const FRESH_SECONDS = 10;

const NOT_FOUND_YET = unavailable('the provider of the login could not be reached yet');
const NOT_RENEWED = unavailable('the provider of the login does not renew the session now');
const STORE_LOST = unavailable('the store that has the sessions does not answer now');
const NO_HOST = refused('the request names no host to come back to');

type AcceptedResult = Extract<AuthenticationResult, { readonly verdict: 'accepted' }>;

/** A session that a cookie held or named, with what has become of it since. */
interface KnownSession {
  /** The cookie. */
  readonly text: string;
  session: LoginSession;
  claims: Claims;
  result: AcceptedResult;
  /** Requests that come at once share one renewal. */
  renewal: Promise<LoginReply> | null;
  retryAt: number;
  /** Of a session in the store: in which epoch it was read, and until when that holds. */
  readonly epoch: number;
  freshTo: number;
}

/** A request, with what every answer to it needs. */
interface Visit {
  readonly request: AuthenticationRequest;
  readonly cookies: Cookies;
  readonly unixSeconds: number;
}

/** undefined: the cookie holds no session of this login. `lost`: nobody can tell now. */
type Found = KnownSession | 'lost' | undefined;

export class OidcAuthenticator implements Authenticator {
  readonly name: string;
  readonly challenge = 'Login realm="sluice"';
  readonly isBearer = false;
  readonly ownedFields: readonly string[];
  readonly stripsAuthorization: boolean;
  readonly readsAuthorization = false;
  readonly hides: readonly CredentialPlace[];
  readonly login: LoginPaths;

  private readonly cookies: LoginCookies;
  private readonly sealer: CookieSealer;
  /** Requests that come at once share one question to the store. */
  private readonly reading = new Map<string, Promise<Found>>();
  private readonly remembered = new ExpiringMemory<KnownSession>(
    REMEMBERED_MAX,
    REMEMBERED_CHARS_MAX,
  );

  constructor(
    private readonly config: CompiledOidcAuthenticator,
    private readonly feed: LoginFeed,
  ) {
    const { name, provider, claimHeaders, accessTokenHeader, forwardCredentials } = config;
    this.name = name;
    this.cookies = new LoginCookies(config.cookie);
    this.sealer = new CookieSealer(provider.secrets, name);
    const isOwnField = accessTokenHeader !== '' && accessTokenHeader !== 'authorization';
    const owned = claimHeaders.map(([header]) => header);
    this.ownedFields = isOwnField ? [...owned, accessTokenHeader] : owned;
    this.stripsAuthorization = accessTokenHeader === 'authorization';
    const hidden = forwardCredentials ? [] : this.cookies.names;
    this.hides = hidden.map((cookie) => ({ kind: 'cookie', name: cookie }));
    const { cookies, sealer } = this;
    this.login = new BrowserLoginPaths({ config, feed, cookies, sealer });
  }

  hasCredentials(request: AuthenticationRequest): boolean {
    return this.cookies.read(cookiesOf(request), isSecure(request, this.config.origin)) !== '';
  }

  authenticate(
    request: AuthenticationRequest,
    unixSeconds: number,
  ): AuthenticationResult | Promise<AuthenticationResult> {
    const cookies = cookiesOf(request);
    const visit = { request, cookies, unixSeconds };
    const text = this.cookies.read(cookies, isSecure(request, this.config.origin));
    if (text === '') return this.begin(visit) ?? ABSENT;
    const found = text === null ? undefined : this.know(text, unixSeconds);
    if (found instanceof Promise) return found.then((one) => this.judge(one, visit));
    return this.judge(found, visit);
  }

  private judge(known: Found, visit: Visit): AuthenticationResult | Promise<AuthenticationResult> {
    const { unixSeconds } = visit;
    if (known === 'lost') return STORE_LOST;
    if (known === undefined || this.hasEnded(known, unixSeconds)) {
      return this.begin(visit) ?? NOT_VALID;
    }
    const { refreshAt, tokenEndsAt, seenAt } = known.session;
    const { idleMs } = this.config.provider;
    if (refreshAt > 0 && unixSeconds >= refreshAt) {
      if (unixSeconds >= known.retryAt) return this.renew(known, visit);
      if (unixSeconds >= tokenEndsAt) return NOT_RENEWED;
    }
    if (unixSeconds < seenAt + (idleMs / 1000) * NOTED_AT) return known.result;
    return this.noteUse(known, visit) ?? known.result;
  }

  private know(text: string, unixSeconds: number): Found | Promise<Found> {
    const digest = tokenDigest(text);
    const known = this.remembered.get(digest, unixSeconds);
    if (!this.config.provider.isStored) {
      return known ?? this.remember(digest, text, openSession(text, this.sealer));
    }
    const { storeEpoch } = this.feed;
    const isFresh = storeEpoch > 0 && known?.epoch === storeEpoch && unixSeconds < known.freshTo;
    if (isFresh) return known;
    const id = openSessionId(text, this.sealer);
    if (id === null) return undefined;
    const asked = this.reading.get(digest) ?? this.read(id, { digest, text, unixSeconds });
    this.reading.set(digest, asked);
    return asked;
  }

  /** Reads a session of the store. */
  private async read(
    id: string,
    { digest, text, unixSeconds }: { digest: string; text: string; unixSeconds: number },
  ): Promise<Found> {
    const { storeEpoch: epoch } = this.feed;
    const reply = await this.feed.ask(this.config.provider.id, { kind: 'read', id });
    this.reading.delete(digest);
    if (reply.kind === 'known') {
      const freshTo = unixSeconds + FRESH_SECONDS;
      return this.remember(digest, text, reply.session, { epoch, freshTo });
    }
    return reply.kind === 'over' ? undefined : 'lost';
  }

  private remember(
    digest: string,
    text: string,
    session: LoginSession | null,
    { epoch, freshTo } = { epoch: 0, freshTo: 0 },
  ): KnownSession | undefined {
    const claims = session === null ? undefined : this.claimsOf(session);
    if (session === null || claims === undefined) return undefined;
    const result = this.resultOf(session, claims);
    if (result === undefined) return undefined;
    const opened = { text, session, claims, result, renewal: null, retryAt: 0, epoch, freshTo };
    const weight = this.config.provider.isStored ? weightOf(session) : text.length;
    this.remembered.set(digest, opened, { expiresAt: session.endsAt, weight });
    return opened;
  }

  /** The result with which the browser keeps its cookie for longer; null: it cannot. */
  private noteUse(known: KnownSession, { request, unixSeconds }: Visit): AcceptedResult | null {
    const session = { ...known.session, seenAt: Math.floor(unixSeconds) };
    const { provider } = this.config;
    if (!provider.isStored) {
      return this.take(known, session, { sealed: sealSession(session, this.sealer), request });
    }
    const { id, seenAt } = session;
    void this.feed.ask(provider.id, { kind: 'seen', id, seenAt }).then((reply) => {
      // It was not noted, or there is no such session any more: the next request reads that.
      if (reply.kind !== 'known') known.freshTo = 0;
    });
    return this.take(known, session, { sealed: known.text, request });
  }

  private claimsOf(session: LoginSession): Claims | undefined {
    const claims = claimsIn(session.idToken);
    // The session lasts, not the token by which it began. Tunnels are found by sid when it ends.
    return claims === undefined ? undefined : { sid: session.id, ...claims, exp: session.endsAt };
  }

  private resultOf(
    session: LoginSession,
    claims: Claims,
    replyFields?: FieldBlock,
  ): AcceptedResult | undefined {
    const consumer = textOf(claimAt(claims, this.config.consumerClaim));
    const identity = makeIdentity(consumer, { ...claims }, this.config);
    if (identity === undefined) return undefined;
    const { accessTokenHeader } = this.config;
    const { accessToken } = session;
    const shown = accessTokenHeader === 'authorization' ? `Bearer ${accessToken}` : accessToken;
    const hasToken = accessTokenHeader !== '' && accessToken !== '';
    const fields = hasToken ? [...identity.fields, accessTokenHeader, shown] : identity.fields;
    const shared = { ...identity, fields };
    return {
      verdict: 'accepted',
      identity: replyFields === undefined ? shared : { ...shared, replyFields },
    };
  }

  private hasEnded({ session, claims }: KnownSession, unixSeconds: number): boolean {
    const { provider } = this.config;
    if (isOver(session, provider.idleMs, unixSeconds)) return true;
    return this.feed.isEnded(provider.realm, session, claims);
  }

  /**
   * What was known by an older cookie goes on as this session, which the browser is given: in every
   * reply to that cookie, or once where the older one names the same session of the store. null: it
   * is too large.
   */
  private take(
    known: KnownSession,
    session: LoginSession,
    { sealed, request }: { readonly sealed: string; readonly request: AuthenticationRequest },
  ): AcceptedResult | null {
    const claims = this.claimsOf(session);
    const seconds = Math.min(this.config.provider.idleMs / 1000, session.endsAt - session.seenAt);
    const fields = this.cookies.set(sealed, seconds, isSecure(request, this.config.origin));
    if (claims === undefined || fields === null) return null;
    const result = this.resultOf(session, claims, fields);
    const plain = this.config.provider.isStored ? this.resultOf(session, claims) : result;
    if (result === undefined || plain === undefined) return null;
    known.session = session;
    known.claims = claims;
    known.result = plain;
    return result;
  }

  private async renew(known: KnownSession, visit: Visit): Promise<AuthenticationResult> {
    const { request, unixSeconds } = visit;
    const { generation } = known.session;
    known.renewal ??= this.feed.ask(this.config.provider.id, {
      kind: 'refresh',
      session: { ...known.session, seenAt: Math.floor(unixSeconds) },
    });
    const reply = await known.renewal;
    known.renewal = null;
    if (known.session.generation > generation) return known.result;
    switch (reply.kind) {
      case 'session': {
        const { session, sealed } = reply;
        const result = this.take(known, session, { sealed, request });
        return result ?? unavailable('the session has grown too large for cookies');
      }
      case 'over':
        return this.begin(visit) ?? NOT_VALID;
      default:
        known.retryAt = unixSeconds + RETRY_SECONDS;
        if (unixSeconds < known.session.tokenEndsAt) return known.result;
        return NOT_RENEWED;
    }
  }

  /** The way to the provider, for browsers that ask for a page; null: for nobody else. */
  private begin({ request, cookies, unixSeconds }: Visit): AuthenticationResult | null {
    if (!wantsPage(request)) return null;
    const { provider, redirectPath, origin } = this.config;
    const facts = this.feed.factsOf(provider.id);
    if (facts === null) return NOT_FOUND_YET;
    const own = originOf(request, origin);
    if (own === '') return NO_HOST;
    const pending = newLogin(own + redirectPath, request.routedTarget);
    const sealed = sealLogin(pending, this.sealer, unixSeconds);
    const cookie = this.cookies.begin(
      { state: pending.state, sealed },
      cookies,
      isSecure(request, this.config.origin),
    );
    const url = new URL(facts.authorizationEndpoint);
    for (const [name, value] of this.parametersOf(pending.state, pending.nonce)) {
      url.searchParams.set(name, value);
    }
    url.searchParams.set('redirect_uri', pending.redirectUri);
    url.searchParams.set('code_challenge', challengeOf(pending));
    const detail = `${this.name}: a browser is sent to the login at ${provider.issuer}`;
    const reply = { ...redirect(url.href, cookie), detail };
    return { verdict: 'answered', isFinal: false, reply };
  }

  private parametersOf(state: string, nonce: string): readonly (readonly [string, string])[] {
    const { provider, parameters, scope } = this.config;
    return [
      ...parameters,
      ['response_type', 'code'],
      ['client_id', provider.clientId],
      ['scope', scope],
      ['state', state],
      ['nonce', nonce],
      ['code_challenge_method', 'S256'],
    ];
  }
}

const NOT_VALID = refused('the session is not valid, or has ended');

function weightOf({ idToken, accessToken, refreshToken }: LoginSession): number {
  return idToken.length + accessToken.length + refreshToken.length;
}
