import { describe, expect, it } from 'vitest';
import type { LoginAsk, LoginReply, LoginSession } from '../../../../../src/base/login.js';
import { compileOidc } from '../../../../../src/config/compile/compile-oidc.js';
import type { LoginFeed } from '../../../../../src/filters/authentication/oidc/login-feed.js';
import {
  sealSession,
  sealSessionId,
} from '../../../../../src/filters/authentication/oidc/login-session.js';
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
  storeEpoch = 0;
  readonly asks: LoginAsk[] = [];
  reply: LoginReply = { kind: 'unavailable', reason: 'x' };

  factsOf() {
    return this.isKnown ? { authorizationEndpoint: 'https://login.example/auth?tenant=a' } : null;
  }

  async ask(_: string, ask: LoginAsk) {
    this.asked++;
    this.asks.push(ask);
    return this.reply;
  }

  isEnded() {
    return this.ended;
  }
}

function rig(accessTokenHeader?: string, store = false) {
  const feed = new Feed();
  const config = compileOidc(
    {
      type: 'oidc',
      issuer: 'https://login.example',
      clientId: 'app',
      session: { secret: SECRET, store, idle: '1h', lifetime: '2h' },
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

describe('a session in the store', () => {
  const ID = 'A'.repeat(24);
  const stored = () => {
    const made = rig(undefined, true);
    made.feed.storeEpoch = 1;
    made.feed.reply = { kind: 'known', session: aSession({ id: ID }) };
    return made;
  };
  const named = (text = sealSessionId(ID, sealer)) =>
    aRequest({ fields: [['cookie', `sluice-web=1${text}`]], target: '/p' });

  it('is read once for requests that come together, and again after ten seconds', async () => {
    const { authenticator, feed } = stored();
    const request = named();
    for (const [at, asked] of [
      [NOW, 1],
      [NOW + 9, 1],
      [NOW + 10, 2],
    ] as const) {
      const results = await Promise.all(
        Array.from({ length: 20 }, () => authenticator.authenticate(request, at)),
      );
      expect(new Set(results.map(({ verdict }) => verdict))).toEqual(new Set(['accepted']));
      expect([at, feed.asked]).toEqual([at, asked]);
    }
    expect(feed.asks[0]).toEqual({ kind: 'read', id: ID });
  });

  it('is read for each request while ends are not told, and again after that', async () => {
    const { authenticator, feed } = stored();
    const request = named();
    await authenticator.authenticate(request, NOW);
    for (const [epoch, asked] of [
      [0, 2],
      [0, 3],
      [2, 4],
      [2, 4],
    ] as const) {
      feed.storeEpoch = epoch;
      const { verdict } = await authenticator.authenticate(request, NOW + 1);
      expect([epoch, verdict, feed.asked]).toEqual([epoch, 'accepted', asked]);
    }
    feed.storeEpoch = 0;
    feed.reply = { kind: 'unavailable', reason: 'x' };
    expect((await authenticator.authenticate(request, NOW + 2)).verdict).toBe('unavailable');
    feed.reply = { kind: 'over' };
    expect((await authenticator.authenticate(request, NOW + 3)).verdict).toBe('refused');
  });

  it('is not known by another cookie: nobody asks the store for one', async () => {
    const { authenticator, feed } = stored();
    const other = new CookieSealer([SECRET], 'other');
    for (const text of [
      sealSession(aSession({ id: ID }), sealer),
      sealSessionId(ID, other),
      sealSessionId('short', sealer),
      ID,
    ]) {
      expect((await authenticator.authenticate(named(text), NOW)).verdict).toBe('refused');
    }
    expect(feed.asked).toBe(0);
    // Nor is its name a session where sessions are in cookies.
    expect((await rig().authenticator.authenticate(named(), NOW)).verdict).toBe('refused');
  });

  it('has its use noted once, and is read again where that could not be written', async () => {
    const { authenticator, feed } = stored();
    feed.reply = { kind: 'known', session: aSession({ id: ID, refreshAt: 0 }) };
    const request = named();
    const first = await authenticator.authenticate(request, NOW + 400);
    expect(JSON.stringify(first)).toContain('Set-Cookie');
    expect(feed.asks[1]).toEqual({ kind: 'seen', id: ID, seenAt: NOW + 400 });
    const second = await authenticator.authenticate(request, NOW + 401);
    expect([JSON.stringify(second).includes('Set-Cookie'), feed.asked]).toEqual([false, 2]);
    feed.reply = { kind: 'unavailable', reason: 'x' };
    await authenticator.authenticate(named(), NOW + 800);
    expect((await authenticator.authenticate(named(), NOW + 801)).verdict).toBe('unavailable');
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

  it('that begins logins again and again has sixteen of them, and nobody is asked', async () => {
    const { authenticator, feed } = rig(undefined, true);
    const jar = new Map<string, string>();
    for (let at = 0; at < 1000; at++) {
      const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
      const request = aRequest({ fields: [PAGE, ['cookie', cookie]], target: '/p' });
      const result = await authenticator.authenticate(request, NOW);
      const fields = result.verdict === 'answered' ? String(result.reply.fields) : '';
      for (const [, name = '', value = ''] of fields.matchAll(/Set-Cookie: ([^=]+)=([^;]*)/gi)) {
        if (value === '') jar.delete(name);
        else jar.set(name, value);
      }
    }
    expect([jar.size, feed.asked]).toEqual([16, 0]);
  });
});
