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
import { claimsIn, isOver, openSession, sealSession } from './login-session.js';
import { challengeOf, newLogin, sealLogin } from './pending-login.js';
import { CookieSealer } from './sealed-cookie.js';

const REMEMBERED_MAX = 4096;
const REMEMBERED_CHARS_MAX = 16 * 1024 * 1024;
/** A session's last use is written into its cookie again after this part of `idle`. */
const NOTED_AT = 0.1;
/** After a provider that did not answer it is left alone for this time. */
const RETRY_SECONDS = 5;

const NOT_FOUND_YET = unavailable('the provider of the login could not be reached yet');
const NOT_RENEWED = unavailable('the provider of the login does not renew the session now');
const NO_HOST = refused('the request names no host to come back to');

type AcceptedResult = Extract<AuthenticationResult, { readonly verdict: 'accepted' }>;

/** A session that a cookie held, with what has become of it since. */
interface KnownSession {
  session: LoginSession;
  claims: Claims;
  result: AcceptedResult;
  /** Requests that come at once share one renewal. */
  renewal: Promise<LoginReply> | null;
  retryAt: number;
}

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
    const text = this.cookies.read(cookies, isSecure(request, this.config.origin));
    if (text === '') return this.begin(request, cookies, unixSeconds) ?? ABSENT;
    const known = text === null ? undefined : this.know(text, unixSeconds);
    if (known === undefined || this.hasEnded(known, unixSeconds)) {
      return this.begin(request, cookies, unixSeconds) ?? NOT_VALID;
    }
    const { refreshAt, tokenEndsAt, seenAt } = known.session;
    const { idleMs } = this.config.provider;
    if (refreshAt > 0 && unixSeconds >= refreshAt) {
      if (unixSeconds >= known.retryAt) return this.renew(known, request, unixSeconds);
      if (unixSeconds >= tokenEndsAt) return NOT_RENEWED;
    }
    if (unixSeconds >= seenAt + (idleMs / 1000) * NOTED_AT) {
      const session = { ...known.session, seenAt: Math.floor(unixSeconds) };
      this.take(known, session, { sealed: sealSession(session, this.sealer), request });
    }
    return known.result;
  }

  /** undefined: the cookie holds no session of this login. */
  private know(text: string, unixSeconds: number): KnownSession | undefined {
    const digest = tokenDigest(text);
    const known = this.remembered.get(digest, unixSeconds);
    if (known !== undefined) return known;
    const session = openSession(text, this.sealer);
    if (session === null) return undefined;
    const claims = this.claimsOf(session);
    const result = claims === undefined ? undefined : this.resultOf(session, claims);
    if (claims === undefined || result === undefined) return undefined;
    const opened = { session, claims, result, renewal: null, retryAt: 0 };
    this.remembered.set(digest, opened, { expiresAt: session.endsAt, weight: text.length });
    return opened;
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
    return this.feed.isEnded(provider.id, session, claims);
  }

  /** What was known by an older cookie goes on as this session, which the browser is given. */
  private take(
    known: KnownSession,
    session: LoginSession,
    { sealed, request }: { readonly sealed: string; readonly request: AuthenticationRequest },
  ): boolean {
    const claims = this.claimsOf(session);
    const seconds = Math.min(this.config.provider.idleMs / 1000, session.endsAt - session.seenAt);
    const fields = this.cookies.set(sealed, seconds, isSecure(request, this.config.origin));
    if (claims === undefined || fields === null) return false;
    const result = this.resultOf(session, claims, fields);
    if (result === undefined) return false;
    known.session = session;
    known.claims = claims;
    known.result = result;
    return true;
  }

  private async renew(
    known: KnownSession,
    request: AuthenticationRequest,
    unixSeconds: number,
  ): Promise<AuthenticationResult> {
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
        if (this.take(known, session, { sealed, request })) return known.result;
        return unavailable('the session has grown too large for cookies');
      }
      case 'over': {
        const cookies = cookiesOf(request);
        return this.begin(request, cookies, unixSeconds) ?? NOT_VALID;
      }
      default:
        known.retryAt = unixSeconds + RETRY_SECONDS;
        if (unixSeconds < known.session.tokenEndsAt) return known.result;
        return NOT_RENEWED;
    }
  }

  /** The way to the provider, for browsers that ask for a page; null: for nobody else. */
  private begin(
    request: AuthenticationRequest,
    cookies: Cookies,
    unixSeconds: number,
  ): AuthenticationResult | null {
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
