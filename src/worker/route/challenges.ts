/**
 * What a route says to callers whose credentials it does not have, or does not take.
 *
 * Thread: worker. RFC 9110 11.6.1, RFC 6750 3.
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
  const plain = authenticators.map(({ challenge }) => challenge);
  const invalid = authenticators.map(({ challenge, isBearer }) =>
    isBearer ? `${challenge}, error="invalid_token"` : challenge,
  );
  return { plain: challengeFields(plain), invalid: challengeFields(invalid) };
}

function challengeFields(challenges: readonly string[]): FieldBlock {
  return [...new Set(challenges)].map(challengeField).reduce(joinFields, NO_FIELDS);
}

export function challengeField(challenge: string): FieldBlock {
  return field('WWW-Authenticate', challenge);
}
