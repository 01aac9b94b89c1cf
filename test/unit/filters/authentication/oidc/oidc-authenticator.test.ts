import { describe, expect, it } from 'vitest';
import type { LoginReply, LoginSession } from '../../../../../src/base/login.js';
import { compileOidc } from '../../../../../src/config/compile/compile-oidc.js';
import type { LoginFeed } from '../../../../../src/filters/authentication/oidc/login-feed.js';
import { sealSession } from '../../../../../src/filters/authentication/oidc/login-session.js';
import { OidcAuthenticator } from '../../../../../src/filters/authentication/oidc/oidc-authenticator.js';
import { CookieSealer } from '../../../../../src/filters/authentication/oidc/sealed-cookie.js';
import { aRequest } from '../../../../support/authentication-request.js';

const SECRET = 'a secret of at least 32 characters';
const NOW = 1_800_000_000;
const sealer = new CookieSealer([SECRET], 'web');

function tokenOf(claims: Readonly<Record<string, unknown>>): string {
  return `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`;
}

function aSession(changes: Partial<LoginSession> = {}): LoginSession {
  return {
    ...{ id: 'one', generation: 0, idToken: tokenOf({ sub: 'ada', exp: NOW - 50 }) },
    ...{ accessToken: 'access', refreshToken: 'refresh', refreshAt: NOW + 100 },
    ...{ tokenEndsAt: NOW + 130, beganAt: NOW, seenAt: NOW, endsAt: NOW + 7200 },
    ...changes,
  };
}

/** Plays the main thread. */
class Feed implements LoginFeed {
  asked = 0;
  ended = false;
  isKnown = true;
  reply: LoginReply = { kind: 'unavailable', reason: 'x' };

  factsOf() {
    return this.isKnown ? { authorizationEndpoint: 'https://login.example/auth?tenant=a' } : null;
  }

  async ask() {
    this.asked++;
    return this.reply;
  }

  isEnded() {
    return this.ended;
  }
}

function rig(accessTokenHeader?: string) {
  const feed = new Feed();
  const config = compileOidc(
    {
      type: 'oidc',
      issuer: 'https://login.example',
      clientId: 'app',
      session: { secret: SECRET, idle: '1h', lifetime: '2h' },
      ...(accessTokenHeader !== undefined && { accessTokenHeader }),
    },
    'web',
  );
  const common = { index: 0, name: 'web', claimHeaders: [], forwardCredentials: false };
  return { feed, authenticator: new OidcAuthenticator({ ...common, ...config }, feed) };
}

function requestWith(session: LoginSession | string, fields: [string, string][] = []) {
  const sealed = typeof session === 'string' ? session : `1${sealSession(session, sealer)}`;
  return aRequest({ fields: [['cookie', `sluice-web=${sealed}`], ...fields], target: '/p?x=1' });
}

const PAGE: [string, string] = ['accept', 'text/html'];

describe('a session', () => {
  it('says who calls, for as long as it lasts itself', async () => {
    const { authenticator } = rig('authorization');
    const result = await authenticator.authenticate(requestWith(aSession()), NOW);
    expect(result).toMatchObject({
      verdict: 'accepted',
      identity: {
        consumer: 'ada',
        endsAtUnixMs: (NOW + 7200) * 1000,
        fields: ['authorization', 'Bearer access'],
        claims: { sub: 'ada', sid: 'one' },
      },
    });
  });

  it('is over after its idle time, after its life, and when it was ended', async () => {
    const quiet = aSession({ refreshAt: 0 });
    for (const [session, at, verdict] of [
      [quiet, NOW + 3599, 'accepted'],
      [quiet, NOW + 3600, 'refused'],
      [{ ...quiet, seenAt: NOW + 7000 }, NOW + 7199, 'accepted'],
      [{ ...quiet, seenAt: NOW + 7000 }, NOW + 7200, 'refused'],
    ] as const) {
      const { authenticator } = rig();
      const result = await authenticator.authenticate(requestWith(session), at);
      expect([at, result.verdict]).toEqual([at, verdict]);
    }
    const { authenticator, feed } = rig();
    const request = requestWith(quiet);
    expect((await authenticator.authenticate(request, NOW)).verdict).toBe('accepted');
    feed.ended = true;
    expect((await authenticator.authenticate(request, NOW)).verdict).toBe('refused');
    const page = await authenticator.authenticate(requestWith(quiet, [PAGE]), NOW);
    expect(page.verdict).toBe('answered');
  });

  it('has its last use noted again after a tenth of the idle time', async () => {
    const { authenticator } = rig();
    const request = requestWith(aSession({ refreshAt: 0 }));
    const early = await authenticator.authenticate(request, NOW + 359);
    expect(early).toMatchObject({ verdict: 'accepted' });
    expect(JSON.stringify(early)).not.toContain('Set-Cookie');
    const later = await authenticator.authenticate(request, NOW + 360);
    const fields = later.verdict === 'accepted' ? String(later.identity.replyFields) : '';
    const [, cookie = ''] =
      /Set-Cookie: sluice-web=([^;]+); Path=\/; Max-Age=3600/i.exec(fields) ?? [];
    for (const [at, verdict] of [
      [NOW + 3959, 'accepted'],
      [NOW + 3960, 'refused'],
    ] as const) {
      const result = await rig().authenticator.authenticate(requestWith(cookie), at);
      expect([at, result.verdict]).toEqual([at, verdict]);
    }
  });

  it('is renewed once for requests that come together', async () => {
    const { authenticator, feed } = rig();
    const session = aSession({ generation: 1, refreshAt: NOW + 5000, accessToken: 'new' });
    feed.reply = { kind: 'session', session, sealed: sealSession(session, sealer) };
    const request = requestWith(aSession());
    const results = await Promise.all(
      Array.from({ length: 50 }, () => authenticator.authenticate(request, NOW + 100)),
    );
    expect(feed.asked).toBe(1);
    expect(new Set(results.map(({ verdict }) => verdict))).toEqual(new Set(['accepted']));
    const after = await authenticator.authenticate(request, NOW + 101);
    expect(after).toMatchObject({
      identity: { replyFields: expect.stringContaining('sluice-web') },
    });
    expect(feed.asked).toBe(1);
  });

  it('goes on without its provider until its token ends, and not a second longer', async () => {
    const { authenticator, feed } = rig();
    const request = requestWith(aSession());
    for (const [at, verdict, asked] of [
      [NOW + 100, 'accepted', 1],
      [NOW + 102, 'accepted', 1],
      [NOW + 105, 'accepted', 2],
      [NOW + 130, 'unavailable', 3],
      [NOW + 131, 'unavailable', 3],
      [NOW + 135, 'unavailable', 4],
    ] as const) {
      const result = await authenticator.authenticate(request, at);
      expect([at, result.verdict, feed.asked]).toEqual([at, verdict, asked]);
    }
  });

  it('is over when its provider does not renew it', async () => {
    const { authenticator, feed } = rig();
    feed.reply = { kind: 'over' };
    const result = await authenticator.authenticate(requestWith(aSession()), NOW + 100);
    expect(result.verdict).toBe('refused');
    const page = await authenticator.authenticate(requestWith(aSession(), [PAGE]), NOW + 100);
    expect(page.verdict).toBe('answered');
  });
});

describe('a browser without a session', () => {
  it('is sent to the address of the provider, with what that needs', async () => {
    const { authenticator } = rig();
    const result = await authenticator.authenticate(
      aRequest({ fields: [PAGE], target: '/p' }),
      NOW,
    );
    const reply = result.verdict === 'answered' ? result.reply : undefined;
    expect(reply?.status).toBe(302);
    const [, location = ''] = /Location: (\S+)/i.exec(String(reply?.fields)) ?? [];
    const { origin, searchParams } = new URL(location);
    expect(origin).toBe('https://login.example');
    expect(Object.fromEntries(searchParams)).toMatchObject({
      ...{ tenant: 'a', client_id: 'app', response_type: 'code', scope: 'openid' },
      ...{ code_challenge_method: 'S256', redirect_uri: 'http://gateway.test/login/callback' },
    });
    for (const name of ['state', 'nonce', 'code_challenge']) {
      expect(searchParams.get(name)?.length).toBeGreaterThan(30);
    }
  });

  it('waits where nobody knows yet where the provider is', async () => {
    const { authenticator, feed } = rig();
    feed.isKnown = false;
    const result = await authenticator.authenticate(aRequest({ fields: [PAGE] }), NOW);
    expect(result.verdict).toBe('unavailable');
    expect((await authenticator.authenticate(aRequest(), NOW)).verdict).toBe('absent');
  });
});
