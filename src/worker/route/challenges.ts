/**
 * What a route says to callers whose credentials it does not have, or does not take.
 *
 * Thread: worker. RFC 9110 11.6.1, RFC 6750 3, RFC 9449 7.1.
 */
import { type FieldBlock, field, joinFields, NO_FIELDS } from '../../base/field-block.js';
import type { Authenticator } from '../../filters/authentication/authenticator.js';

/** The WWW-Authenticate fields of a route. */
export interface Challenges {
  /** For requests without credentials. */
  readonly plain: FieldBlock;
  /** For those whose credentials are refused. */
  readonly invalid: FieldBlock;
}

export function challengesOf(authenticators: readonly Authenticator[]): Challenges {
  const plain = authenticators.flatMap(schemesOf);
  const invalid = authenticators.flatMap((one) =>
    schemesOf(one).map((challenge) =>
      one.isBearer ? `${challenge}, error="invalid_token"` : challenge,
    ),
  );
  return { plain: challengeFields(plain), invalid: challengeFields(invalid) };
}

/** Those of others, and the one that an authenticator has for what it did not like. */
export function challengesWith(
  authenticators: readonly Authenticator[],
  by: Authenticator,
  challenge: string,
): FieldBlock {
  const others = authenticators.filter((one) => one !== by);
  return joinFields(challengeField(challenge), challengesOf(others).plain);
}

function schemesOf({ challenge, otherChallenge }: Authenticator): readonly string[] {
  return otherChallenge === undefined ? [challenge] : [challenge, otherChallenge];
}

function challengeFields(challenges: readonly string[]): FieldBlock {
  return [...new Set(challenges)].map(challengeField).reduce(joinFields, NO_FIELDS);
}

export function challengeField(challenge: string): FieldBlock {
  return field('WWW-Authenticate', challenge);
}
