/**
 * Knows callers by signatures of their requests (HTTP Message Signatures, RFC 9421).
 *
 * Thread: worker. The pipeline collects the body first, up to a bound, and only where a request has
 * a signature. Invariant: nobody is known by a signature that leaves out what the configuration
 * says it must cover, and no digest counts that the body was not held against.
 */
import { hash } from 'node:crypto';
import { defined } from '../../../base/assert.js';
import type { ProofMemoryPlace } from '../../../base/proof-use.js';
import {
  ABSENT,
  type AuthenticationRequest,
  type AuthenticationResult,
  refused,
  unavailable,
} from '../authenticator.js';
import { NO_PROOFS, type ProofFeed } from '../dpop/proof-feed.js';
import { makeIdentity } from '../identity.js';
import type { CompiledHttpSignatureAuthenticator } from '../options.js';
import { SignedRequestAuthenticator } from '../signed-requests.js';
import { digestProblem } from './content-digest.js';
import { signatureBaseOf } from './signature-base.js';
import { type SignatureKey, signatureKey } from './signature-keys.js';
import {
  type BareItem,
  type Dictionary,
  type InnerList,
  isInnerList,
  parseDictionary,
  textOfMember,
} from './structured-fields.js';

/** More of one request are not verified: each may cost a check of a signature. */
const CANDIDATES_MAX = 4;
const DIGEST = 'content-digest';

/** What else covers a component: all of it is in there. */
const COVERED_BY: ReadonlyMap<string, readonly string[]> = new Map([
  ['@path', ['@target-uri', '@request-target']],
  ['@query', ['@target-uri', '@request-target']],
  ['@authority', ['@target-uri']],
  ['@scheme', ['@target-uri']],
]);

/** Why a signature is not believed. */
interface Problem {
  readonly reason: string;
  readonly cause: string;
}

export class HttpSignatureAuthenticator extends SignedRequestAuthenticator {
  readonly challenge = 'Signature realm="sluice"';

  private readonly keys = new Map<string, SignatureKey>();

  constructor(
    private readonly config: CompiledHttpSignatureAuthenticator,
    private readonly proofs: ProofFeed = NO_PROOFS,
  ) {
    super(config);
    for (const key of config.keys) {
      const { keyId, consumer, scopes } = key;
      const claims = { sub: consumer, scope: scopes.join(' '), keyid: keyId };
      const identity = defined(makeIdentity(consumer, claims, config), 'the identity of a signer');
      this.keys.set(keyId, signatureKey(key, identity));
    }
  }

  hasCredentials({ fields }: AuthenticationRequest): boolean {
    return fields.values('signature-input').length > 0;
  }

  authenticate(
    request: AuthenticationRequest,
    unixSeconds: number,
  ): AuthenticationResult | Promise<AuthenticationResult> {
    if (!this.hasCredentials(request)) return ABSENT;
    const inputs = parseDictionary(request.fields.values('signature-input'));
    const signatures = parseDictionary(request.fields.values('signature'));
    if (inputs === undefined || signatures === undefined) return MALFORMED;
    const labels = this.candidates(inputs);
    if (labels.length > CANDIDATES_MAX) return TOO_MANY;
    let problem: Problem | null = null;
    for (const label of labels) {
      const result = this.judge(label, { inputs, signatures, request, unixSeconds });
      if ('key' in result) return this.accept(result);
      problem ??= result;
    }
    return problem === null ? NONE_FITS : refused(problem.reason, problem.cause);
  }

  private accept(signed: Signed): AuthenticationResult | Promise<AuthenticationResult> {
    const accepted = { verdict: 'accepted', identity: signed.key.identity } as const;
    const { memory } = this.config;
    return memory === null ? accepted : this.useUp(signed, memory, accepted);
  }

  /**
   * Known by what was signed, and not by the signature: of an ECDSA signature anybody can make
   * another one that fits.
   */
  private async useUp(
    { key, keyId, base, createdAt }: Signed,
    memory: ProofMemoryPlace,
    accepted: AuthenticationResult,
  ): Promise<AuthenticationResult> {
    const used = hash('sha256', `signature\n${key.algorithm}\n${keyId}\n${base}`, 'base64url');
    const until = createdAt + this.config.maxAgeMs / 1000;
    const use = await this.proofs.use(used, until, memory);
    if (use === 'first') return accepted;
    if (use === 'again') return AGAIN;
    return unavailable('nobody can tell now whether the signature was used before');
  }

  /** The signatures that are meant for this authenticator. */
  private candidates(inputs: Dictionary): readonly string[] {
    const { label, tag } = this.config;
    return [...inputs]
      .filter(([name]) => label === '' || name === label)
      .filter(([, { parameters }]) => tag === '' || textIn(parameters.get('tag')) === tag)
      .map(([name]) => name);
  }

  private judge(label: string, asked: Asked): Signed | Problem {
    const { inputs, signatures, request, unixSeconds } = asked;
    const covered = inputs.get(label);
    const signature = signatures.get(label);
    if (covered === undefined || !isInnerList(covered)) return problem('it is malformed');
    if (signature === undefined || isInnerList(signature) || signature.bare.type !== 'bytes') {
      return problem('Signature has nothing for it');
    }
    const late = this.timeProblem(covered, unixSeconds);
    if (late !== null) return late;
    const keyId = textIn(covered.parameters.get('keyid'));
    const key = this.keys.get(keyId);
    if (key === undefined) return problem('its key is not known');
    const algorithm = covered.parameters.get('alg');
    if (algorithm !== undefined && textIn(algorithm) !== key.algorithm) {
      return problem('its alg is not that of its key', `the key is for ${key.algorithm}`);
    }
    const body = request.wholeBody();
    const missing = this.missingIn(covered, request, body);
    if (missing !== '') return problem(`it does not cover ${missing}`);
    const made = signatureBaseOf(covered, request);
    if ('problem' in made) return problem(made.problem);
    if (!key.verify(Buffer.from(made.base, 'latin1'), signature.bare.value)) {
      return problem('it does not fit the request', `it covers ${textOfMember(covered)}`);
    }
    const created = covered.parameters.get('created');
    const createdAt = created?.type === 'integer' ? created.value : 0;
    const signed = { key, keyId, base: made.base, createdAt };
    if (!covers(covered, DIGEST)) return signed;
    const other = digestProblem(request.fields.values(DIGEST), body);
    return other === '' ? signed : problem(other);
  }

  private timeProblem({ parameters }: InnerList, now: number): Problem | null {
    const created = parameters.get('created');
    const expires = parameters.get('expires');
    if (created?.type !== 'integer') return problem('it has no time (created)');
    const { maxAgeMs, clockSkewMs } = this.config;
    const age = now - created.value;
    if (age > maxAgeMs / 1000 || age < -clockSkewMs / 1000) {
      const cause = `it was made ${Math.round(age)} s ago, by the clock of its sender`;
      return problem('it is too old, or of a time to come', cause);
    }
    if (expires === undefined) return null;
    if (expires.type !== 'integer') return problem('its time of expiry is malformed');
    return expires.value <= now - clockSkewMs / 1000 ? problem('it has expired') : null;
  }

  /** The first component that must be covered and is not; '': all are. */
  private missingIn(covered: InnerList, request: AuthenticationRequest, body: Buffer): string {
    const { components, coversBody, coversQuery } = this.config;
    for (const name of components) {
      if (!coversAll(covered, name)) return name;
    }
    const hasQuery = request.target.includes('?');
    if (coversQuery && hasQuery && !coversAll(covered, '@query')) return '@query';
    return coversBody && body.length > 0 && !covers(covered, DIGEST) ? DIGEST : '';
  }
}

/** A signature that fits, by its key and what was signed. */
interface Signed {
  readonly key: SignatureKey;
  readonly keyId: string;
  readonly base: string;
  /** Seconds since 1970. */
  readonly createdAt: number;
}

interface Asked {
  readonly inputs: Dictionary;
  readonly signatures: Dictionary;
  readonly request: AuthenticationRequest;
  readonly unixSeconds: number;
}

const MALFORMED = refused('Signature-Input or Signature is malformed');
const TOO_MANY = refused(`the request has more than ${CANDIDATES_MAX} signatures`);
const AGAIN = refused('the signature of the request was used before');
const NONE_FITS = refused('the request has no signature for this route');

function problem(what: string, cause = ''): Problem {
  return { reason: `the signature of the request is refused: ${what}`, cause };
}

function textIn(bare: BareItem | undefined): string {
  return bare?.type === 'string' ? bare.value : '';
}

/** Without parameters, by which it would be a part of the component only. */
function covers({ items }: InnerList, name: string): boolean {
  return items.some(
    ({ bare, parameters }) =>
      bare.type === 'string' && bare.value === name && parameters.size === 0,
  );
}

function coversAll(covered: InnerList, name: string): boolean {
  if (covers(covered, name)) return true;
  return (COVERED_BY.get(name) ?? []).some((other) => covers(covered, other));
}
