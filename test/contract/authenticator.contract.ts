/**
 * What every authenticator must do, whatever it goes by.
 *
 * `describeAuthenticator` runs the contract for one kind over real credentials, and a real service
 * where one is asked.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type {
  AuthenticationResult,
  Authenticator,
} from '../../src/filters/authentication/authenticator.js';
import { aRequest, type RequestWish } from '../support/authentication-request.js';

export interface AuthenticatorKind {
  readonly name: string;
  /** Says for each request who calls, credentials or not. */
  readonly isAskedAlways?: boolean;
  /** Hands on what a service says to callers that it does not let in. */
  readonly answersItself?: boolean;
  /** Decides anew each time, by a service. */
  readonly isNeverRemembered?: boolean;
  create(): Promise<AuthenticatorCase>;
}

export interface AuthenticatorCase {
  readonly authenticator: Authenticator;
  /** Credentials of `ada`, who has the scope `read`; x-user holds her name for the upstream. */
  readonly good: RequestWish;
  readonly wrong: Readonly<Record<string, RequestWish>>;
  /** What must not be in a reason. */
  readonly secrets: readonly string[];
  close(): Promise<void>;
}

const VERDICTS = ['accepted', 'absent', 'refused', 'denied', 'answered', 'unavailable'];

export function describeAuthenticator(kind: AuthenticatorKind): void {
  // Of each file that describes one: all of them share this module, for minutes.
  const startS = Date.now() / 1000;
  describe(`authentication by ${kind.name}`, () => {
    let subject: AuthenticatorCase;
    const ask = (wish: RequestWish, now = startS) =>
      subject.authenticator.authenticate(aRequest(wish), now);

    const refusals = kind.answersItself === true ? ['refused', 'answered'] : ['refused'];

    beforeAll(async () => {
      subject = await kind.create();
    });

    afterAll(async () => {
      await subject.authenticator.close?.();
      await subject.close();
    });

    it('says whose credentials are good', async () => {
      const result = await ask(subject.good);
      expect(result).toMatchObject({
        verdict: 'accepted',
        identity: { consumer: 'ada', claims: { sub: 'ada' }, fields: ['x-user', 'ada'] },
      });
    });

    if (kind.isNeverRemembered !== true) {
      it('knows them at once the next time', async () => {
        const first = await ask(subject.good);
        const second = ask(subject.good);
        expect(second).not.toBeInstanceOf(Promise);
        expect(second).toEqual(first);
      });
    }

    if (kind.isAskedAlways !== true) {
      it('leaves other requests to others', () => {
        for (const wish of [{}, { authorization: 'Unknown abc' }, { fields: [['x-other', 'a']] }]) {
          expect(ask(wish as RequestWish)).toEqual({ verdict: 'absent' });
        }
      });
    }

    it('refuses all others, and does not say what would have been right', async () => {
      for (const [name, wish] of Object.entries(subject.wrong)) {
        for (const round of [1, 2]) {
          const result = await ask(wish);
          expect([name, round, refusals]).toEqual([
            name,
            round,
            expect.arrayContaining([result.verdict]),
          ]);
          const text = JSON.stringify(result);
          for (const secret of subject.secrets) expect(text).not.toContain(secret);
        }
      }
    });

    it('mixes no request up with another', async () => {
      const wishes = [subject.good, ...Object.values(subject.wrong)];
      const rounds = Array.from({ length: 4 }, () => wishes).flat();
      const results = await Promise.all(rounds.map((wish) => ask(wish)));
      results.forEach((result: AuthenticationResult, at) => {
        const expected = rounds[at] === subject.good ? ['accepted'] : refusals;
        expect([at, expected]).toEqual([at, expect.arrayContaining([result.verdict])]);
      });
    });

    it('has a verdict whatever comes', async () => {
      const value = fc.string({ unit: fc.constantFrom(...'aB9.-_=+/: ,"\xff\x80'), maxLength: 80 });
      const scheme = fc.constantFrom('Bearer ', 'Basic ', 'bearer  ', 'basic\t', '', 'Bearer a.b.');
      await fc.assert(
        fc.asyncProperty(scheme, value, value, async (word, text, key) => {
          const fields = [['x-api-key', key]] as const;
          const result = await ask({ authorization: word + text, fields });
          expect(VERDICTS).toContain(result.verdict);
          if (kind.isAskedAlways !== true) expect(result.verdict).not.toBe('accepted');
        }),
        { numRuns: 15 },
      );
    });

    it('owns every field that it sets', async () => {
      const { ownedFields } = subject.authenticator;
      for (const name of ownedFields) expect(name).toBe(name.toLowerCase());
      const result = await ask(subject.good);
      const fields = result.verdict === 'accepted' ? result.identity.fields : [];
      expect(
        fields.filter((_, at) => at % 2 === 0).every((name) => ownedFields.includes(name)),
      ).toBe(true);
    });
  });
}
