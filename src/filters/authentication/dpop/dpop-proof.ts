/**
 * Reads and judges DPoP proofs (RFC 9449 4.2, 4.3): a signed statement of who holds a token that
 * this one request is his.
 *
 * Thread: worker. jose does the cryptography. Invariant: the key that a proof brings is used only
 * when the token names its thumbprint, so that no stranger can choose what is computed here.
 */
import { hash } from 'node:crypto';
import { calculateJwkThumbprint } from 'jose/jwk/thumbprint';
import { algorithmsOf, type Jwk } from '../../../base/json-web-key.js';
import { normalizePath } from '../../../routing/normalize-path.js';
import type { AuthenticationRequest } from '../authenticator.js';
import { KeyRing } from '../key-ring.js';
import { readToken, signatureProblem, type TokenParts } from '../signed-token.js';
import { parseStrictObject, type StrictObject } from '../strict-json.js';
import type { ProofNonces } from './proof-nonces.js';

/** Signature algorithms of proofs, none of which has a shared secret. */
export const PROOF_ALGORITHMS: readonly string[] = [
  ...['ES256', 'ES384', 'ES512', 'EdDSA'],
  ...['PS256', 'PS384', 'PS512', 'RS256', 'RS384', 'RS512'],
];

/** Room for a key of RSA with 8192 bits and its signature. */
const PROOF_CHARS_MAX = 8192;
const URL_CHARS_MAX = 4096;

/** What a proof must be for. */
export interface ProofPurpose {
  readonly request: AuthenticationRequest;
  readonly token: string;
  /** `cnf.jkt` of the token. */
  readonly thumbprint: string;
  readonly unixSeconds: number;
  /** How far the time of the proof may be from now, either way. */
  readonly windowSeconds: number;
  /** null: proofs need no nonce. */
  readonly nonces: Pick<ProofNonces, 'judge'> | null;
}

/** A proof that fits, by what it is remembered; or what is wrong with one. */
export type JudgedProof =
  | { readonly key: string; readonly until: number; readonly needsNext: boolean }
  | { readonly problem: string; readonly cause: string; readonly isForNonce?: true };

/** Everything but whether the proof was used before. */
export async function judgeProof(text: string, purpose: ProofPurpose): Promise<JudgedProof> {
  const parts = text.length > PROOF_CHARS_MAX ? undefined : readToken(text);
  const claims = parts === undefined ? undefined : parseStrictObject(parts.payload);
  if (parts === undefined || claims === undefined) return wrong('the DPoP proof is malformed');
  const key = keyOf(parts);
  if (typeof key === 'string') return wrong(key);
  const { thumbprint } = purpose;
  if ((await thumbprintOf(key)) !== thumbprint) {
    return wrong('the DPoP proof is of another key than the one that the token is bound to');
  }
  const problem = claimsProblem(claims, purpose);
  if (problem !== null) return problem;
  const nonce = purpose.nonces?.judge(claims['nonce'], purpose.unixSeconds) ?? 'good';
  if (nonce === 'bad') return WITHOUT_NONCE;
  const ring = await KeyRing.create([key], [parts.algorithm]);
  if ((await signatureProblem(parts, ring)) !== '') {
    return wrong('the signature of the DPoP proof does not fit');
  }
  const { jti, iat } = claims;
  // Only the holder of the key can use up a name, and only his own.
  const used = hash('sha256', `${thumbprint}\n${jti}`, 'base64url');
  const until = Number(iat) + purpose.windowSeconds;
  return { key: used, until, needsNext: nonce === 'ageing' };
}

const WITHOUT_NONCE: JudgedProof = {
  problem: 'the DPoP proof has not the nonce of this reply',
  cause: '',
  isForNonce: true,
};

function wrong(problem: string, cause = ''): JudgedProof {
  return { problem, cause };
}

/** The public key of the proof, or why it has none that may be used. */
function keyOf({ header, algorithm }: TokenParts): Jwk | string {
  if (header['typ'] !== 'dpop+jwt') return 'the DPoP proof has another typ than dpop+jwt';
  if (!PROOF_ALGORITHMS.includes(algorithm)) {
    return `the DPoP proof is not signed with one of ${PROOF_ALGORITHMS.join(', ')}`;
  }
  const { jwk } = header;
  if (typeof jwk !== 'object' || jwk === null || Array.isArray(jwk)) {
    return 'the DPoP proof has no jwk';
  }
  const key = jwk as Jwk;
  const isPrivate = PRIVATE_MEMBERS.some((name) => Object.hasOwn(key, name));
  if (isPrivate) return 'the jwk of the DPoP proof holds a private key';
  if (algorithmsOf(key).includes(algorithm)) return withoutName(key);
  return 'the jwk of the DPoP proof is not for the algorithm of the proof';
}

/** RFC 7518 6.2.2, 6.3.2 and 6.4.1; RFC 8037 2. */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

/** The proof names no key of a ring: its own is tried whatever it is called. */
function withoutName({ kid: _, ...key }: Jwk): Jwk {
  return key;
}

async function thumbprintOf(key: Jwk): Promise<string> {
  try {
    return await calculateJwkThumbprint(
      key as Parameters<typeof calculateJwkThumbprint>[0],
      'sha256',
    );
  } catch {
    // A member is missing or no text: such a key has no thumbprint, and so is not the token's.
    return '';
  }
}

function claimsProblem(claims: StrictObject, purpose: ProofPurpose): JudgedProof | null {
  const { jti, htm, htu, iat, ath } = claims;
  const { request, token, unixSeconds, windowSeconds } = purpose;
  if (typeof jti !== 'string' || jti === '' || typeof iat !== 'number') {
    return wrong('the DPoP proof lacks jti or iat');
  }
  if (htm !== request.method) {
    return wrong('the DPoP proof is for another method', `htm is not ${request.method}`);
  }
  const asked = urlOfRequest(request);
  if (typeof htu !== 'string' || asked === '' || normalUrl(htu) !== asked) {
    return wrong('the DPoP proof is for another URL', `htu is not ${asked}`);
  }
  const age = unixSeconds - iat;
  if (Math.abs(age) > windowSeconds) {
    const cause = `it was made ${Math.round(age)} s ago, by the clock of its sender`;
    return wrong('the DPoP proof is too old, or of a time to come', cause);
  }
  if (ath !== hash('sha256', token, 'base64url')) {
    return wrong('the DPoP proof is for another token');
  }
  return null;
}

/** What the client asked for, without the query; '': it has no URL. */
function urlOfRequest({ scheme, fields, target }: AuthenticationRequest): string {
  return normalUrl(`${scheme}://${fields.host}${target}`);
}

const URL_PARTS = /^(https?:\/\/[^/?#@\\]+)(\/[^?#]*)?(?:[?#].*)?$/i;

/**
 * Normalised by syntax and scheme (RFC 3986 6.2.2, 6.2.3), without query and fragment; '': it is
 * no such URL. Paths are normalised as they are for routing.
 */
function normalUrl(text: string): string {
  if (text.length > URL_CHARS_MAX || !/^[!-~]+$/.test(text)) return '';
  const [, start = '', path = '/'] = URL_PARTS.exec(text) ?? [];
  if (start === '' || !URL.canParse(start)) return '';
  const normal = normalizePath(path, 'allow');
  return normal === '' ? '' : new URL(start).origin + normal;
}
