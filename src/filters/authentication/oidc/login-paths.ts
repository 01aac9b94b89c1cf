/**
 * Serves the paths of a login: the way back from the provider, the user's logout, and the
 * provider's (OpenID Connect Core 3.1.2.5, RP-Initiated Logout 1.0, Back-Channel Logout 1.0).
 *
 * Thread: worker. What must be asked of the provider is asked by the main thread. Invariant: a
 * browser is sent on to the provider's logout or to this gateway's own origin, and nowhere else.
 */
import { type FieldBlock, field, joinFields, NO_FIELDS } from '../../../base/field-block.js';
import type { LoginAsk, LoginReply } from '../../../base/login.js';
import { RETRY_SOON } from '../../../base/problem-reply.js';
import { PROBLEMS } from '../../../base/problems.js';
import { type LocalReply, plainReply, refusal } from '../../local-reply.js';
import type { AuthenticationRequest, LoginPaths } from '../authenticator.js';
import type { CompiledOidcAuthenticator } from '../options.js';
import {
  type Cookies,
  cookiesOf,
  isOfOwnPage,
  isSecure,
  originOf,
  redirect,
} from './browser-request.js';
import type { LoginCookies } from './login-cookies.js';
import type { LoginFeed } from './login-feed.js';
import { openSession, openSessionId } from './login-session.js';
import { openLogin, type PendingLogin } from './pending-login.js';
import type { CookieSealer } from './sealed-cookie.js';

export interface LoginParts {
  readonly config: CompiledOidcAuthenticator;
  readonly feed: LoginFeed;
  readonly cookies: LoginCookies;
  readonly sealer: CookieSealer;
}

/** A request to one of the paths, with what all of them need. */
interface Visit {
  readonly request: AuthenticationRequest;
  readonly cookies: Cookies;
  /** Scheme, host and port of this gateway. */
  readonly origin: string;
  readonly isSecure: boolean;
  readonly unixSeconds: number;
}

const NO_STORE = field('Cache-Control', 'no-store');
const JSON_FIELDS = joinFields(field('Content-Type', 'application/json'), NO_STORE);
const STATE = /^[A-Za-z0-9_-]{16,64}$/;

const NOT_BEGUN = refusal(
  PROBLEMS.loginRefused,
  'This login was not begun in this browser, or too long ago. Open the page that you wanted again.',
  { fields: NO_STORE },
);
const BROKEN = 'The request failed because of an error in the gateway.';

export class BrowserLoginPaths implements LoginPaths {
  readonly summary: string;

  constructor(private readonly parts: LoginParts) {
    const { name, provider, redirectPath, logoutPath, backchannelLogoutPath } = parts.config;
    const back = `browsers come back from ${provider.issuer} to ${redirectPath}`;
    const told =
      backchannelLogoutPath === '' ? '' : `; it ends sessions at ${backchannelLogoutPath}`;
    this.summary = `${name}: ${back}; users log out at ${logoutPath}${told}`;
  }

  serve(
    request: AuthenticationRequest,
    body: string,
    unixSeconds: number,
  ): LocalReply | Promise<LocalReply> {
    const { redirectPath, logoutPath, backchannelLogoutPath, origin } = this.parts.config;
    const [path = ''] = request.routedTarget.split('?', 1);
    if (path === backchannelLogoutPath) return this.onLogoutToken(request, body);
    if (path !== redirectPath && path !== logoutPath) {
      return refusal(PROBLEMS.routeNotFound, 'The login has no such path.');
    }
    const own = originOf(request, origin);
    if (own === '') return refusal(PROBLEMS.loginRefused, 'The request names no host.');
    const visit: Visit = {
      request,
      cookies: cookiesOf(request),
      origin: own,
      isSecure: isSecure(request, origin),
      unixSeconds,
    };
    return path === redirectPath ? this.callback(visit) : this.logout(visit);
  }

  /** The provider has sent the browser back. */
  private callback(visit: Visit): LocalReply | Promise<LocalReply> {
    const { request, cookies, unixSeconds } = visit;
    if (request.method !== 'GET') return onlyBy('GET');
    const query = request.routedTarget.slice(this.parts.config.redirectPath.length);
    const [state = '', another] = new URLSearchParams(query).getAll('state');
    if (another !== undefined || !STATE.test(state)) return NOT_BEGUN;
    const sealed = this.parts.cookies.pendingOf(state, cookies, visit.isSecure);
    const pending = openLogin(sealed, state, this.parts.sealer, unixSeconds);
    if (pending === null) {
      // The user has gone back, or has asked twice: the login is done.
      return this.endOf(visit, '') === null ? NOT_BEGUN : redirect(`${visit.origin}/`, NO_FIELDS);
    }
    return this.finish(visit, pending, query);
  }

  private async finish(visit: Visit, pending: PendingLogin, query: string): Promise<LocalReply> {
    const { state, verifier, nonce, redirectUri, returnTo } = pending;
    const { feed, config, cookies } = this.parts;
    const reply = await feed.ask(config.provider.id, {
      ...{ kind: 'code', state, query, verifier, nonce, redirectUri },
    });
    if (reply.kind === 'unavailable') return unanswered(reply.reason);
    const done = joinFields(cookies.end(state, visit.isSecure), NO_STORE);
    if (reply.kind === 'refused') return refusedLogin(reply, done);
    if (reply.kind !== 'session') return refusal(PROBLEMS.internal, BROKEN, { fields: done });
    const { session, sealed } = reply;
    const seconds = Math.min(config.provider.idleMs / 1000, session.endsAt - visit.unixSeconds);
    const kept = cookies.set(sealed, seconds, visit.isSecure);
    if (kept === null) {
      const detail = 'The session is too large for cookies.';
      const cause = `${sealed.length} characters: fewer claims or no access token would do`;
      return refusal(PROBLEMS.loginRefused, detail, { fields: done, cause });
    }
    return redirect(visit.origin + returnTo, joinFields(kept, cookies.end(state, visit.isSecure)));
  }

  /** The user wants to leave. Another site may link to this, and must not do it by itself. */
  private logout(visit: Visit): LocalReply | Promise<LocalReply> {
    const { method } = visit.request;
    if (method !== 'GET' && method !== 'POST') return onlyBy('GET or POST');
    if (!isOfOwnPage(visit.request, visit.origin)) {
      if (method === 'GET') return CONFIRMATION;
      const detail = 'A logout must come from a page of this site.';
      return refusal(PROBLEMS.forbidden, detail, { fields: NO_STORE });
    }
    const returnTo = visit.origin + this.parts.config.afterLogout;
    const end = this.endOf(visit, returnTo);
    if (end === null) return redirect(returnTo, this.cleared(visit), 303);
    const { feed, config } = this.parts;
    return feed.ask(config.provider.id, end).then((reply) => this.afterEnd(reply, visit, returnTo));
  }

  private afterEnd(reply: LoginReply, visit: Visit, returnTo: string): LocalReply {
    if (reply.kind !== 'ended') return unanswered('the session could not be ended');
    return redirect(reply.location === '' ? returnTo : reply.location, this.cleared(visit), 303);
  }

  private cleared({ cookies, isSecure: secure }: Visit): FieldBlock {
    return this.parts.cookies.clear(cookies, secure);
  }

  /** What ends the session of this browser; null: it has none. */
  private endOf({ cookies, isSecure: secure }: Visit, returnTo: string): LoginAsk | null {
    const { config, sealer } = this.parts;
    const text = this.parts.cookies.read(cookies, secure);
    if (text === null || text === '') return null;
    if (config.provider.isStored) {
      const id = openSessionId(text, sealer);
      return id === null ? null : { kind: 'endStored', id, returnTo };
    }
    const session = openSession(text, sealer);
    return session === null ? null : { kind: 'end', session, returnTo };
  }

  /** The provider says that a session has ended. */
  private onLogoutToken(
    { method, fields }: AuthenticationRequest,
    body: string,
  ): LocalReply | Promise<LocalReply> {
    if (method !== 'POST') return onlyBy('POST');
    const [type = ''] = fields.values('content-type');
    const isForm = /^application\/x-www-form-urlencoded *(;|$)/i.test(type);
    const [token = '', another] = isForm ? new URLSearchParams(body).getAll('logout_token') : [];
    if (token === '' || another !== undefined) return badToken('there is no logout_token');
    const { feed, config } = this.parts;
    return feed.ask(config.provider.id, { kind: 'logoutToken', token }).then((reply) => {
      if (reply.kind === 'ended') return plainReply(200, NO_STORE);
      if (reply.kind === 'refused') return { ...badToken(reply.reason), cause: reply.cause };
      return unanswered('the logout could not be carried out');
    });
  }
}

function refusedLogin(
  { reason, cause }: Extract<LoginReply, { readonly kind: 'refused' }>,
  fields: FieldBlock,
): LocalReply {
  const detail = `The login has failed: ${reason}.`;
  return refusal(PROBLEMS.loginRefused, detail, { fields, cause });
}

function unanswered(reason: string): LocalReply {
  const fields = joinFields(RETRY_SOON, NO_STORE);
  return refusal(PROBLEMS.authenticationUnavailable, `${capital(reason)}.`, { fields });
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

function onlyBy(methods: string): LocalReply {
  const fields = field('Allow', methods.replace(' or ', ', '));
  return refusal(PROBLEMS.methodNotAllowed, `This path takes ${methods}.`, { fields });
}

/** Back-Channel Logout 1.0, 2.8. */
function badToken(reason: string): LocalReply {
  const body = JSON.stringify({ error: 'invalid_request', error_description: reason });
  return plainReply(400, JSON_FIELDS, body);
}

/** Asks before a logout that a link on another site has begun. */
const CONFIRMATION = plainReply(
  200,
  [
    field('Content-Type', 'text/html; charset=utf-8'),
    field('Content-Security-Policy', "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"),
    field('X-Frame-Options', 'DENY'),
    NO_STORE,
  ].reduce(joinFields),
  '<!doctype html><meta name="viewport" content="width=device-width"><title>Log out</title>' +
    '<form method="post"><p>Do you want to log out?</p><button>Log out</button></form>',
);
