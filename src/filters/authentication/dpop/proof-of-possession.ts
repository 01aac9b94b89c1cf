/**
 * Tokens that are bound to a key of their holder (RFC 9449): who has stolen one cannot use it.
 *
 * Thread: worker. A bound token is never accepted without a proof, whatever the configuration says;
 * a proof is used up once it fits, for all workers of the gateway.
 */
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

/** For WWW-Authenticate (RFC 9449 7.1). */
export const DPOP_CHALLENGE = `DPoP realm="sluice", algs="${PROOF_ALGORITHMS.join(' ')}"`;

export class ProofOfPossession {
  private readonly windowSeconds: number;

  constructor(
    private readonly rule: DpopRule,
    private readonly feed: ProofFeed,
  ) {
    this.windowSeconds = rule.dpopWindowMs / 1000;
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
    const { windowSeconds } = this;
    const judged = judgeProof(proof, { request, token, thumbprint, unixSeconds, windowSeconds });
    return this.useUp(judged, result);
  }

  private async useUp(
    judging: Promise<JudgedProof>,
    result: AuthenticationResult,
  ): Promise<AuthenticationResult> {
    const judged = await judging;
    if ('problem' in judged) return badProof(judged.problem, judged.cause);
    const use = await this.feed.use(judged.key, judged.until);
    if (use === 'first') return result;
    if (use === 'again') return badProof('the DPoP proof was used before');
    return unavailable('nobody can tell now whether the DPoP proof was used before');
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

function refusal(reason: string, cause: string, error: string): AuthenticationResult {
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
