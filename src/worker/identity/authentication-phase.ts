/**
 * The phase that identifies the caller: the route's authenticators in order, of which the first
 * that accepts decides; then the route's own demands on the caller. A route may let in whoever has
 * no credentials at all: those that are refused never make a caller anonymous.
 *
 * Thread: worker. Remembered credentials, the usual case, are decided at once; else the exchange
 * waits. The phase decides, and the pipeline acts.
 */
import { defined } from '../../base/assert.js';
import { type FieldBlock, firstValueOf, joinFields, NO_FIELDS } from '../../base/field-block.js';
import { RETRY_SOON } from '../../base/problem-reply.js';
import { PROBLEMS } from '../../base/problems.js';
import type {
  AuthenticationResult,
  Authenticator,
  Identity,
} from '../../filters/authentication/authenticator.js';
import { authorizationProblem } from '../../filters/authentication/claim-checks.js';
import { type LocalReply, refusal } from '../../filters/local-reply.js';
import { ANONYMOUS, type Exchange } from '../exchange/exchange.js';
import { challengeField, challengesOf, challengesWith } from '../route/challenges.js';
import type { WorkerRoute } from '../route/worker-route.js';

/**
 * Longest wait for the services that authenticators ask; each service has its own, shorter limit.
 */
export const AUTHENTICATION_WAIT_MS = 60_000;

export type AuthenticationOutcome = 'next' | LocalReply;

/**
 * The results so far of authenticators that did not accept. A later result replaces an earlier one.
 */
interface Rejections {
  readonly refused: string;
  readonly unavailable: string;
  /** What a service has for the client; null: nothing. */
  readonly answer: LocalReply | null;
  /** For the operator: each authenticator with what it did not like. */
  readonly cause: string;
  /** WWW-Authenticate and the like, where one had its own for this request; null: the route's. */
  readonly challenges: FieldBlock | null;
}

const NONE: Rejections = {
  refused: '',
  unavailable: '',
  answer: null,
  cause: '',
  challenges: null,
};

export class AuthenticationPhase {
  /**
   * `onDecided` gets the outcome of exchanges for which run() returned `wait`; `onError` gets a
   * mistake in our own code.
   */
  constructor(
    private readonly unixMs: () => number,
    private readonly onDecided: (exchange: Exchange, outcome: AuthenticationOutcome) => void,
    private readonly onError: (exchange: Exchange, error: unknown) => void,
  ) {}

  // Hot path, watched by bench/micro/filters/authentication: every request of a route with
  // authenticators.
  run(exchange: Exchange): AuthenticationOutcome | 'wait' {
    const route = defined(exchange.route, 'the route of an exchange');
    if (route.authenticators.length === 0) return 'next';
    if (exchange.fields.authorizationCount > 1) {
      return unauthorized(route, 'there are several of them', '');
    }
    return this.tryFrom(exchange, route, 0, NONE);
  }

  private tryFrom(
    exchange: Exchange,
    route: WorkerRoute,
    first: number,
    before: Rejections,
  ): AuthenticationOutcome | 'wait' {
    let rejections = before;
    for (let at = first; at < route.authenticators.length; at++) {
      const authenticator = defined(route.authenticators[at], 'an authenticator');
      if (mayPassOver(exchange, route, authenticator)) continue;
      const result = authenticator.authenticate(exchange, this.unixMs() / 1000);
      if (result instanceof Promise) {
        this.await(exchange, route, { at, result, rejections });
        return 'wait';
      }
      const decided = decide(exchange, route, authenticator, result);
      if (decided !== null) return decided;
      rejections = withResult(rejections, result, route, authenticator);
    }
    if (rejections === NONE && mayBeAnonymous(exchange, route)) {
      exchange.identify(ANONYMOUS);
      return 'next';
    }
    if (rejections.unavailable !== '') return notDecided(rejections);
    const { answer, refused, cause, challenges } = rejections;
    if (answer !== null) return { ...answer, cause };
    if (challenges !== null) return unauthorizedBy(challenges, refused, cause);
    const isOther = refused === '' && route.config.allowsAnonymous === true;
    return unauthorized(route, isOther ? 'they are of another kind' : refused, cause);
  }

  private await(
    exchange: Exchange,
    route: WorkerRoute,
    asked: {
      readonly at: number;
      readonly result: Promise<AuthenticationResult>;
      readonly rejections: Rejections;
    },
  ): void {
    const goOn = (result: AuthenticationResult): void => {
      if (exchange.isFinished) return;
      const authenticator = defined(route.authenticators[asked.at], 'an authenticator');
      const outcome =
        decide(exchange, route, authenticator, result) ??
        this.tryFrom(
          exchange,
          route,
          asked.at + 1,
          withResult(asked.rejections, result, route, authenticator),
        );
      if (outcome !== 'wait') this.onDecided(exchange, outcome);
    };
    asked.result.then(goOn).catch((error: unknown) => this.onError(exchange, error));
  }
}

/** A service that is asked about every request would refuse those that are to be let in. */
function mayPassOver(
  exchange: Exchange,
  { config }: WorkerRoute,
  authenticator: Authenticator,
): boolean {
  return config.allowsAnonymous === true && authenticator.hasCredentials?.(exchange) === false;
}

/**
 * To be asked when no authenticator has found credentials of its kind. An Authorization field of
 * another kind is not the same as none: its sender believes to be known.
 */
function mayBeAnonymous({ fields }: Exchange, { config, authenticators }: WorkerRoute): boolean {
  if (config.allowsAnonymous !== true) return false;
  return fields.authorization === '' || !authenticators.some((one) => one.readsAuthorization);
}

/** null: this authenticator does not decide, and the next one is asked. */
function decide(
  exchange: Exchange,
  route: WorkerRoute,
  authenticator: Authenticator,
  result: AuthenticationResult,
): AuthenticationOutcome | null {
  if (result.verdict === 'accepted') return accept(exchange, route, authenticator, result.identity);
  if (result.verdict === 'denied') return forbidden(result.reason, NO_FIELDS, '');
  if (result.verdict === 'answered' && result.isFinal) return result.reply;
  return null;
}

function accept(
  exchange: Exchange,
  route: WorkerRoute,
  authenticator: Authenticator,
  identity: Identity,
): AuthenticationOutcome {
  exchange.identify(identity);
  if (!mayForward(authenticator, exchange, route)) exchange.fields.dropAuthorization();
  const rule = route.config.authorization;
  if (rule === null) return 'next';
  const problem = authorizationProblem(identity, rule);
  if (problem === null) return 'next';
  // RFC 6750 3.1: the challenge names the scopes that would have been enough.
  const scope = rule.scopes.length === 0 ? '' : `, scope="${rule.scopes.join(' ')}"`;
  const challenge = `${authenticator.challenge}, error="insufficient_scope"${scope}`;
  const fields = authenticator.isBearer ? challengeField(challenge) : NO_FIELDS;
  return forbidden(problem.reason, fields, `${authenticator.name}: ${problem.cause}`);
}

/**
 * Whether the target gets Authorization. Credentials that the route checks go on only when they
 * were accepted.
 */
function mayForward(
  accepting: Authenticator,
  exchange: Exchange,
  { authenticators }: WorkerRoute,
): boolean {
  if (accepting.stripsAuthorization) return false;
  if (!authenticators.some((one) => one.readsAuthorization)) return true;
  return accepting.readsAuthorization && accepting.usesAuthorization?.(exchange) !== false;
}

function withResult(
  rejections: Rejections,
  result: AuthenticationResult,
  route: WorkerRoute,
  authenticator: Authenticator,
): Rejections {
  if (result.verdict === 'refused') {
    const cause = withCause(rejections, authenticator, result.cause ?? result.reason);
    const { reason, challenge, fields = NO_FIELDS } = result;
    if (challenge === undefined) return { ...rejections, refused: reason, cause };
    const own = challengesWith(route.authenticators, authenticator, challenge);
    const challenges = joinFields(own, fields);
    return { ...rejections, refused: reason, cause, challenges };
  }
  if (result.verdict === 'unavailable') {
    const cause = withCause(rejections, authenticator, result.reason);
    return { ...rejections, unavailable: result.reason, cause };
  }
  if (result.verdict === 'answered') {
    return { ...rejections, answer: withChallenges(result.reply, route, authenticator) };
  }
  return rejections;
}

function withCause({ cause }: Rejections, { name }: Authenticator, more: string): string {
  return cause === '' ? `${name}: ${more}` : `${cause}; ${name}: ${more}`;
}

/** A 401 of a service names the other ways into the route too; without its own one all of them. */
function withChallenges(
  reply: LocalReply,
  { authenticators, challenges }: WorkerRoute,
  by: Authenticator,
): LocalReply {
  if (reply.status !== 401) return reply;
  const hasOwn = firstValueOf(reply.fields, 'www-authenticate') !== '';
  const others = hasOwn
    ? challengesOf(authenticators.filter((one) => one !== by)).plain
    : challenges.plain;
  return { ...reply, fields: joinFields(reply.fields, others) };
}

function unauthorized(route: WorkerRoute, reason: string, cause: string): LocalReply {
  const { plain, invalid } = route.challenges;
  return unauthorizedBy(reason === '' ? plain : invalid, reason, cause);
}

function unauthorizedBy(fields: FieldBlock, reason: string, cause: string): LocalReply {
  const detail =
    reason === '' ? 'This route needs credentials.' : `The credentials are refused: ${reason}.`;
  return refusal(PROBLEMS.unauthorized, detail, { fields, cause });
}

function forbidden(detail: string, fields: FieldBlock, cause: string): LocalReply {
  return refusal(PROBLEMS.forbidden, detail, { fields, cause });
}

function notDecided({ unavailable: reason, cause }: Rejections): LocalReply {
  const detail = `Nobody can tell now who calls: ${reason}.`;
  return refusal(PROBLEMS.authenticationUnavailable, detail, { fields: RETRY_SOON, cause });
}
