/**
 * What went wrong with an upstream, as one of the gateway's problems.
 *
 * Thread: worker. undici's parser errors may come without a code, so the name is looked at too.
 */
import { PROBLEMS, type ProblemKind } from '../../base/problems.js';

/** Longest text of a parser that is passed on. */
const MISTAKE_CHARS_MAX = 120;

interface CodedError {
  readonly code?: unknown;
  readonly name?: unknown;
  readonly cause?: unknown;
}

function fieldsOf(error: unknown): { code: string; name: string } {
  const { code, name } = (error ?? {}) as CodedError;
  return { code: typeof code === 'string' ? code : '', name: typeof name === 'string' ? name : '' };
}

/** What OpenSSL and Node say of a certificate that they refuse; any other is of one kind. */
const CERTIFICATE_PROBLEMS: ReadonlyMap<string, ProblemKind> = new Map([
  ['DEPTH_ZERO_SELF_SIGNED_CERT', PROBLEMS.certificateSelfSigned],
  ['SELF_SIGNED_CERT_IN_CHAIN', PROBLEMS.certificateSelfSigned],
  ['CERT_HAS_EXPIRED', PROBLEMS.certificateExpired],
  ['CERT_NOT_YET_VALID', PROBLEMS.certificateExpired],
  ['ERR_TLS_CERT_ALTNAME_INVALID', PROBLEMS.certificateName],
  ['HOSTNAME_MISMATCH', PROBLEMS.certificateName],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', PROBLEMS.certificateUntrusted],
  ['UNABLE_TO_GET_ISSUER_CERT', PROBLEMS.certificateUntrusted],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', PROBLEMS.certificateUntrusted],
  ['CERT_UNTRUSTED', PROBLEMS.certificateUntrusted],
]);

const OTHER_CERTIFICATE_CODES =
  /^(?:CERT_|CRL_|UNABLE_TO_|INVALID_(?:CA|PURPOSE)|PATH_LENGTH_EXCEEDED$|ERROR_IN_CE?RT)/;

function tlsProblem(code: string): ProblemKind | null {
  const known = CERTIFICATE_PROBLEMS.get(code);
  if (known !== undefined) return known;
  if (OTHER_CERTIFICATE_CODES.test(code)) return PROBLEMS.certificateRefused;
  return code === 'EPROTO' || code.startsWith('ERR_SSL_') ? PROBLEMS.upstreamTls : null;
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
  PROBLEMS.certificateRefused,
  ...CERTIFICATE_PROBLEMS.values(),
]);

/** No connection came about: nothing was sent. */
export function isConnectFailure(problem: ProblemKind): boolean {
  return CONNECT_FAILURES.has(problem);
}

/** What the client is told of it. `mistake`: as protocolMistake() says it. */
export function failureDetail(problem: ProblemKind, mistake: string): string {
  if (mistake !== '') return `The target did not answer as it should: ${mistake}.`;
  if (problem.proxyError.startsWith('tls_')) return problem.when;
  return isConnectFailure(problem)
    ? 'The target cannot be reached.'
    : 'The target did not answer as it should.';
}

/** What of a target's reply was not HTTP, in the words of the parser; empty: it was not that. */
export function protocolMistake(error: unknown): string {
  if (upstreamProblem(error) !== PROBLEMS.upstreamProtocol || !(error instanceof Error)) return '';
  return error.message.replaceAll(/[^\x20-\x7e]/g, ' ').slice(0, MISTAKE_CHARS_MAX);
}

/** The connection went away under the request, as a kept-alive one does that was idle too long. */
export function isConnectionLoss(error: unknown): boolean {
  const { code } = fieldsOf(error);
  return code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE';
}
