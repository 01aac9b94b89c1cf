/**
 * Tokens that are bound to a key of their holder (RFC 9449): who has stolen one cannot use it.
 *
 * Thread: worker. A bound token is never accepted without a proof, whatever the configuration says;
 * a proof is used up once it fits, for all workers of the gateway.
 */
import { field, joinFields, NO_FIELDS } from '../../../base/field-block.js';
import {
  type AuthenticationRequest,
  type AuthenticationResult,
  type Claims,
  unavailable,
} from '../authenticator.js';
import { dpopToken } from '../bearer-token.js';
import type { DpopRule } from '../options.js';
import { type JudgedProof, judgeProof, PROOF_ALGORITHMS } from './dpop-proof.js';
import type { ProofFeed } from './proof-feed.js';
import { ProofNonces } from './proof-nonces.js';

type AcceptedResult = Extract<AuthenticationResult, { readonly verdict: 'accepted' }>;
type RefusedResult = Extract<AuthenticationResult, { readonly verdict: 'refused' }>;

/** For WWW-Authenticate (RFC 9449 7.1). */
export const DPOP_CHALLENGE = `DPoP realm="sluice", algs="${PROOF_ALGORITHMS.join(' ')}"`;

export class ProofOfPossession {
  private readonly windowSeconds: number;
  /** null: proofs need no nonce. */
  private readonly nonces: ProofNonces | null;

  constructor(
    private readonly rule: DpopRule,
    private readonly feed: ProofFeed,
  ) {
    this.windowSeconds = rule.dpopWindowMs / 1000;
    this.nonces = rule.dpopNonceMs === 0 ? null : new ProofNonces(feed, rule.dpopNonceMs / 1000);
  }

  // Hot path, watched by bench/micro/filters/authentication: every request with a token.
  /** The result of a token, which is refused when its sender does not hold the token's key. */
  check(
    result: AuthenticationResult,
    token: string,
    request: AuthenticationRequest,
    unixSeconds: number,
  ): AuthenticationResult | Promise<AuthenticationResult> {
    if (result.verdict !== 'accepted') return result;
    const thumbprint = thumbprintIn(result.identity.claims);
    const isDpop = dpopToken(request.fields.authorization) === token;
    if (thumbprint === undefined) {
      return isDpop || this.rule.dpop === 'required' ? UNBOUND : result;
    }
    if (!isDpop) return WITHOUT_SCHEME;
    const [proof = '', another] = request.fields.values('dpop');
    if (proof === '') return NO_PROOF;
    if (another !== undefined) return SEVERAL_PROOFS;
    const { windowSeconds, nonces } = this;
    const purpose = { request, token, thumbprint, unixSeconds, windowSeconds, nonces };
    return this.useUp(judgeProof(proof, purpose), result, unixSeconds);
  }

  private async useUp(
    judging: Promise<JudgedProof>,
    accepted: AcceptedResult,
    unixSeconds: number,
  ): Promise<AuthenticationResult> {
    const judged = await judging;
    if ('problem' in judged) {
      if (judged.isForNonce !== true) return badProof(judged.problem, judged.cause);
      return this.askForNonce(judged.problem, unixSeconds);
    }
    const use = await this.feed.use(judged.key, judged.until, this.rule.dpopMemory);
    if (use === 'first') return judged.needsNext ? this.withNext(accepted, unixSeconds) : accepted;
    if (use === 'again') return badProof('the DPoP proof was used before');
    return unavailable('nobody can tell now whether the DPoP proof was used before');
  }

  private askForNonce(reason: string, unixSeconds: number): AuthenticationResult {
    const nonce = this.nonces?.next(unixSeconds) ?? '';
    if (nonce === '') return unavailable('no nonce for DPoP proofs could be made yet');
    const fields = joinFields(field('DPoP-Nonce', nonce), field('Cache-Control', 'no-store'));
    return { ...refusal(reason, '', 'use_dpop_nonce'), fields };
  }

  /** The client goes on without being refused once (RFC 9449 8.2). */
  private withNext(accepted: AcceptedResult, unixSeconds: number): AcceptedResult {
    const next = field('DPoP-Nonce', this.nonces?.next(unixSeconds) ?? '');
    const replyFields = joinFields(accepted.identity.replyFields ?? NO_FIELDS, next);
    return { ...accepted, identity: { ...accepted.identity, replyFields } };
  }
}

const UNBOUND = badToken('the token is not bound to a key', 'cnf.jkt is missing');
const WITHOUT_SCHEME = badToken(
  'the token is bound to a key, and must come as Authorization: DPoP, with a proof',
);
const NO_PROOF = badProof('the token is bound to a key, and the DPoP proof is missing');
const SEVERAL_PROOFS = badProof('the request has several DPoP proofs');

function badToken(reason: string, cause = ''): AuthenticationResult {
  return refusal(reason, cause, 'invalid_token');
}

function badProof(reason: string, cause = ''): AuthenticationResult {
  return refusal(reason, cause, 'invalid_dpop_proof');
}

function refusal(reason: string, cause: string, error: string): RefusedResult {
  const challenge = `${DPOP_CHALLENGE}, error="${error}", error_description="${reason}"`;
  const refused = { verdict: 'refused', reason, challenge } as const;
  return cause === '' ? refused : { ...refused, cause };
}

/** undefined: the token is not bound. What is no text binds to no key. */
function thumbprintIn({ cnf }: Claims): string | undefined {
  if (typeof cnf !== 'object' || cnf === null || !Object.hasOwn(cnf, 'jkt')) return undefined;
  const thumbprint: unknown = Reflect.get(cnf, 'jkt');
  return typeof thumbprint === 'string' ? thumbprint : 'none';
}
