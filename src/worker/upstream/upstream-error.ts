/**
 * What went wrong with an upstream, as one of the gateway's problems.
 *
 * Thread: worker. undici's parser errors may come without a code, so the name is looked at too.
 */
import { PROBLEMS, type ProblemKind } from '../../base/problems.js';
import { resetCodeOf } from './http2-error.js';
import { TargetTlsError, tlsProblem } from './tls-failure.js';

/** Longest text of a parser or of OpenSSL that is passed on. */
const CAUSE_CHARS_MAX = 160;

const NO_FILE = 'no more files can be opened: raise ulimit -n';

interface CodedError {
  readonly code?: unknown;
  readonly name?: unknown;
  readonly cause?: unknown;
}

function fieldsOf(error: unknown): { code: string; name: string } {
  const { code, name } = (error ?? {}) as CodedError;
  return { code: typeof code === 'string' ? code : '', name: typeof name === 'string' ? name : '' };
}

/** The problem that the client is told of. */
export function upstreamProblem(error: unknown): ProblemKind {
  const { code, name } = fieldsOf(error);
  const ofTls = tlsProblem(code);
  if (ofTls !== null) return ofTls;
  if (code === 'HPE_HEADER_OVERFLOW') return PROBLEMS.upstreamHeadTooLarge;
  if (name === 'HTTPParserError' || code.startsWith('HPE_')) return PROBLEMS.upstreamProtocol;
  switch (code) {
    case 'ECONNREFUSED':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EADDRNOTAVAIL':
    case 'EACCES':
      return PROBLEMS.connectFailed;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return PROBLEMS.dnsFailed;
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'ETIMEDOUT':
      return PROBLEMS.connectTimeout;
    case 'UND_ERR_HEADERS_TIMEOUT':
    case 'UND_ERR_BODY_TIMEOUT':
      return PROBLEMS.responseTimeout;
    case 'UND_ERR_HEADERS_OVERFLOW':
      return PROBLEMS.upstreamHeadTooLarge;
    case 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH':
    case 'UND_ERR_RES_EXCEEDED_MAX_SIZE':
      return PROBLEMS.upstreamProtocol;
    case 'EMFILE':
    case 'ENFILE':
      return PROBLEMS.overloaded;
    case 'HTTP2_NO_CONNECT':
      return PROBLEMS.tunnelNotTaken;
    case 'UND_ERR_INVALID_ARG':
    case 'UND_ERR_NOT_SUPPORTED':
      return PROBLEMS.internal;
    default:
      return PROBLEMS.upstreamReset;
  }
}

const CONNECT_FAILURES: ReadonlySet<ProblemKind> = new Set([
  PROBLEMS.connectFailed,
  PROBLEMS.connectTimeout,
  PROBLEMS.dnsFailed,
  PROBLEMS.upstreamTls,
  PROBLEMS.upstreamTlsAlert,
  PROBLEMS.certificateSelfSigned,
  PROBLEMS.certificateExpired,
  PROBLEMS.certificateName,
  PROBLEMS.certificateUntrusted,
  PROBLEMS.certificatePin,
  PROBLEMS.certificateRefused,
  PROBLEMS.spiffeId,
]);

/** No connection came about: nothing was sent. */
export function isConnectFailure(problem: ProblemKind): boolean {
  return CONNECT_FAILURES.has(problem);
}

const UNASKED: ReadonlySet<ProblemKind> = new Set([
  PROBLEMS.internal,
  PROBLEMS.tunnelNotTaken,
  PROBLEMS.noIdentity,
  PROBLEMS.overloaded,
]);

/** The target was not asked, or not for what it could do. */
export function isUnasked(problem: ProblemKind): boolean {
  return UNASKED.has(problem);
}

/** What the client is told of it. `cause`: as failureCause() says it. */
export function failureDetail(problem: ProblemKind, cause: string): string {
  if (problem === PROBLEMS.upstreamProtocol && cause !== '') {
    return `The target did not answer as it should: ${cause}.`;
  }
  if (problem.proxyError.startsWith('tls_')) return problem.when;
  if (problem === PROBLEMS.noIdentity) return 'The gateway has no identity for the target now.';
  if (problem === PROBLEMS.overloaded) return 'The gateway has no room for it now.';
  if (problem === PROBLEMS.tunnelNotTaken) return 'The target speaks no WebSocket here.';
  return isConnectFailure(problem)
    ? 'The target cannot be reached.'
    : 'The target did not answer as it should.';
}

/**
 * What the operator is told besides the problem: what of a reply was not HTTP, in the words of the
 * parser, why TLS failed, by what code of HTTP/2 the target has ended it, what the system said to a
 * connection and which address it was for, or what the gateway lacks; empty: the problem says it
 * all.
 */
export function failureCause(error: unknown): string {
  if (error instanceof TargetTlsError) return inOneLine(error.reason);
  if (resetCodeOf(error) !== -1 && error instanceof Error) return inOneLine(error.message);
  const problem = upstreamProblem(error);
  if (problem === PROBLEMS.overloaded) return NO_FILE;
  if (!(error instanceof Error)) return '';
  if (isConnectFailure(problem)) return inOneLine(ofSystem(error).join('; '));
  return problem === PROBLEMS.upstreamProtocol ? inOneLine(error.message) : '';
}

/** `connect ECONNREFUSED ::1:8001`; of a name with several addresses, one for each. */
function ofSystem(error: Error): string[] {
  if (error instanceof AggregateError) return error.errors.flatMap((one) => ofSystem(one));
  return 'syscall' in error ? [error.message] : [];
}

/** No connection came about, though the transport may have had one for a moment. */
export function isHandshakeFailure(error: unknown): boolean {
  return error instanceof TargetTlsError;
}

function inOneLine(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, ' ').slice(0, CAUSE_CHARS_MAX);
}

/** The connection went away under the request, as a kept-alive one does that was idle too long. */
export function isConnectionLoss(error: unknown): boolean {
  // What the target has said itself is no accident.
  if (resetCodeOf(error) !== -1) return false;
  const { code } = fieldsOf(error);
  return code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE';
}
