import { describe, expect, it } from 'vitest';
import { entriesOf, field, NO_FIELDS } from '../../../../src/base/field-block.js';
import type {
  AuthenticationResult,
  Authenticator,
} from '../../../../src/filters/authentication/authenticator.js';
import { plainReply } from '../../../../src/filters/local-reply.js';
import {
  type AuthenticationOutcome,
  AuthenticationPhase,
} from '../../../../src/worker/identity/authentication-phase.js';
import { challengesOf } from '../../../../src/worker/route/challenges.js';
import type { WorkerRoute } from '../../../../src/worker/route/worker-route.js';
import { aCompiledRoute } from '../../../support/compiled-route.js';
import { makeExchange } from '../../../support/make-exchange.js';

type Answer = () => AuthenticationResult | Promise<AuthenticationResult>;

const ACCEPTED: AuthenticationResult = {
  verdict: 'accepted',
  identity: {
    consumer: 'ada',
    claims: { sub: 'ada' },
    scopes: new Set(),
    fields: ['x-user', 'ada'],
  },
};
const REFUSED: AuthenticationResult = { verdict: 'refused', reason: 'it is wrong' };
const ABSENT: AuthenticationResult = { verdict: 'absent' };
const UNAVAILABLE: AuthenticationResult = { verdict: 'unavailable', reason: 'nobody answers' };
const DENIED: AuthenticationResult = { verdict: 'denied', reason: 'Not for you.' };

function anAuthenticator(answer: Answer, wish: Partial<Authenticator> = {}): Authenticator {
  return {
    name: 'test',
    challenge: 'Bearer realm="sluice"',
    isBearer: true,
    ownedFields: [],
    stripsAuthorization: false,
    readsAuthorization: false,
    authenticate: answer,
    ...wish,
  };
}

function aRun(authenticators: readonly Authenticator[], wish: Partial<WorkerRoute> = {}) {
  const exchange = makeExchange({ fields: ['authorization', 'Bearer x'] });
  exchange.route = {
    config: aCompiledRoute(),
    authenticators,
    challenges: challengesOf(authenticators),
    ...wish,
  } as WorkerRoute;
  const decided: AuthenticationOutcome[] = [];
  const errors: unknown[] = [];
  const phase = new AuthenticationPhase(
    () => 0,
    (_, outcome) => decided.push(outcome),
    (_, error) => errors.push(error),
  );
  return { exchange, phase, decided, errors, run: () => phase.run(exchange) };
}

const later = (result: AuthenticationResult) => () => Promise.resolve(result);
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('the authentication phase', () => {
  it('tells the operator what each authenticator did not like, and the client nothing of it', async () => {
    const told: AuthenticationResult = { verdict: 'refused', reason: 'it is wrong', cause: 'aud' };
    const { run, decided } = aRun([
      anAuthenticator(() => told, { name: 'one' }),
      anAuthenticator(later(UNAVAILABLE), { name: 'two' }),
      anAuthenticator(() => ABSENT, { name: 'three' }),
    ]);
    expect(run()).toBe('wait');
    await settled();
    expect(decided).toMatchObject([{ cause: 'one: aud; two: nobody answers', body: '' }]);
    const [reply] = decided;
    expect(reply === 'next' ? '' : reply?.detail).not.toContain('aud');
    expect(aRun([anAuthenticator(() => REFUSED)]).run()).toMatchObject({
      cause: 'test: it is wrong',
    });
    expect(aRun([anAuthenticator(() => ABSENT)]).run()).toMatchObject({ cause: '' });
  });

  describe('on a route that lets anonymous callers in', () => {
    const open = { config: aCompiledRoute({ allowsAnonymous: true }) };

    it('lets in who has no credentials, and nobody whose credentials somebody has judged', async () => {
      const none = aRun([anAuthenticator(() => ABSENT), anAuthenticator(later(ABSENT))], open);
      expect(none.run()).toBe('wait');
      await settled();
      expect(none.decided).toEqual(['next']);
      expect([none.exchange.isAnonymous, none.exchange.identity.fields]).toEqual([true, []]);
      for (const [result, status] of [
        [REFUSED, 401],
        [UNAVAILABLE, 503],
        [DENIED, 403],
      ] as const) {
        const judged = aRun([anAuthenticator(() => result), anAuthenticator(() => ABSENT)], open);
        expect(judged.run()).toMatchObject({ status });
        expect(judged.exchange.isAnonymous).toBe(false);
      }
      const known = aRun([anAuthenticator(() => ACCEPTED)], open);
      expect([known.run(), known.exchange.isAnonymous]).toEqual(['next', false]);
    });

    it('takes an Authorization field that nobody can read for credentials, where one reads it', () => {
      const reads = anAuthenticator(() => ABSENT, { readsAuthorization: true });
      expect(aRun([reads], open).run()).toMatchObject({
        status: 401,
        detail: 'The credentials are refused: they are of another kind.',
      });
      const other = aRun([anAuthenticator(() => ABSENT)], open);
      expect([other.run(), other.exchange.fields.authorization]).toEqual(['next', 'Bearer x']);
    });

    it('asks no service about who has nothing to be known by; any other route does', () => {
      const asked = anAuthenticator(() => REFUSED, { hasCredentials: () => false });
      expect(aRun([asked], open).run()).toBe('next');
      expect(aRun([asked]).run()).toMatchObject({ status: 401 });
    });
  });

  it('lets an authenticator that breaks let nobody in', async () => {
    const thrown = aRun([
      anAuthenticator(() => {
        throw new Error('broken');
      }),
      anAuthenticator(() => ACCEPTED),
    ]);
    // The pipeline answers 500.
    expect(thrown.run).toThrow('broken');
    const rejected = aRun([
      anAuthenticator(() => Promise.reject(new Error('broken'))),
      anAuthenticator(() => ACCEPTED),
    ]);
    expect(rejected.run()).toBe('wait');
    await settled();
    expect([rejected.decided, rejected.errors]).toEqual([[], [new Error('broken')]]);
    expect(rejected.exchange.consumer).toBe('');
    const thrownLater = aRun([
      anAuthenticator(later(ABSENT)),
      anAuthenticator(() => {
        throw new Error('broken');
      }),
    ]);
    expect(thrownLater.run()).toBe('wait');
    await settled();
    expect([thrownLater.decided, thrownLater.errors]).toEqual([[], [new Error('broken')]]);
  });

  it('says at once who calls when it can, and when it must wait says so later', async () => {
    const atOnce = aRun([anAuthenticator(() => REFUSED), anAuthenticator(() => ACCEPTED)]);
    expect(atOnce.run()).toBe('next');
    const waiting = aRun([anAuthenticator(later(REFUSED)), anAuthenticator(later(ACCEPTED))]);
    expect(waiting.run()).toBe('wait');
    await settled();
    expect(waiting.decided).toEqual(['next']);
    for (const { exchange } of [atOnce, waiting]) {
      expect(exchange).toMatchObject({
        consumer: 'ada',
        claims: { sub: 'ada' },
        identity: { fields: ['x-user', 'ada'] },
      });
    }
  });

  it('does nothing more for a request that has ended meanwhile', async () => {
    const asked: string[] = [];
    const run = aRun([
      anAuthenticator(later(ABSENT)),
      anAuthenticator(() => {
        asked.push('second');
        return ACCEPTED;
      }),
    ]);
    expect(run.run()).toBe('wait');
    run.exchange.isFinished = true;
    await settled();
    expect([run.decided, asked]).toEqual([[], []]);
  });

  it.each([
    [[ABSENT], 401, 'This route needs credentials.'],
    [[ABSENT, REFUSED], 401, 'The credentials are refused: it is wrong.'],
    [[REFUSED, ABSENT], 401, 'The credentials are refused: it is wrong.'],
    [[UNAVAILABLE, REFUSED], 503, 'Nobody can tell now who calls: nobody answers.'],
    [[REFUSED, DENIED], 403, 'Not for you.'],
    [[DENIED, ACCEPTED], 403, 'Not for you.'],
  ])('of %j makes %i', (results, status, detail) => {
    const { run } = aRun(results.map((result) => anAuthenticator(() => result)));
    expect(run()).toMatchObject({ status, detail });
  });

  const answered = (status: number, fields = NO_FIELDS, isFinal = false): AuthenticationResult => {
    return { verdict: 'answered', isFinal, reply: plainReply(status, fields, 'service') };
  };

  it.each([
    [[answered(302), ABSENT], 302],
    [[REFUSED, answered(302)], 302],
    [[answered(302), REFUSED], 302],
    [[answered(302), UNAVAILABLE], 503],
    [[answered(302), DENIED], 403],
    [[answered(429, NO_FIELDS, true), ACCEPTED], 429],
  ])('hands on what a service says unless another one decides: %j makes %i', (results, status) => {
    const { run } = aRun(results.map((result) => anAuthenticator(() => result)));
    expect(run()).toMatchObject({ status });
  });

  it('lets another authenticator accept whom a service sends to its login', () => {
    const results = [answered(302), ACCEPTED];
    expect(aRun(results.map((result) => anAuthenticator(() => result))).run()).toBe('next');
  });

  it.each([
    ['Negotiate', ['Negotiate', 'ApiKey']],
    ['', ['Bearer realm="sluice"', 'ApiKey']],
  ])('names all ways in when a service says 401 with the challenge %j', (own, expected) => {
    const fields = own === '' ? NO_FIELDS : field('WWW-Authenticate', own);
    const { run } = aRun([
      anAuthenticator(() => answered(401, fields)),
      anAuthenticator(() => ABSENT, { challenge: 'ApiKey', isBearer: false }),
    ]);
    const outcome = run();
    if (typeof outcome === 'string') throw new Error(outcome);
    expect(outcome.body).toBe('service');
    expect([...entriesOf(outcome.fields)].map(([, value]) => value)).toEqual(expected);
  });

  it('takes whoever accepts, also when another could not be asked', () => {
    const results = [UNAVAILABLE, REFUSED, ACCEPTED];
    expect(aRun(results.map((result) => anAuthenticator(() => result))).run()).toBe('next');
  });

  it('keeps credentials from the target where the authenticator says so', () => {
    const kept = aRun([anAuthenticator(() => ACCEPTED)]);
    kept.run();
    expect(kept.exchange.fields.authorization).toBe('Bearer x');
    const stripped = aRun([anAuthenticator(() => ACCEPTED, { stripsAuthorization: true })]);
    stripped.run();
    expect(stripped.exchange.fields.authorization).toBe('');
  });

  it('keeps credentials from the target that are not those which were accepted', () => {
    const refusing = anAuthenticator(() => REFUSED, { readsAuthorization: true });
    const run = aRun([refusing, anAuthenticator(() => ACCEPTED)]);
    expect(run.run()).toBe('next');
    expect(run.exchange.fields.authorization).toBe('');
    const reading = anAuthenticator(() => ACCEPTED, { readsAuthorization: true });
    const other = aRun([refusing, reading]);
    other.run();
    expect(other.exchange.fields.authorization).toBe('Bearer x');
  });
});
