/**
 * What went wrong with an upstream, as one of the gateway's problems.
 *
 * Thread: worker. undici's parser errors may come without a code, so the name is looked at too.
 */
import { PROBLEMS, type ProblemKind } from '../../base/problems.js';

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

/** No connection came about: nothing was sent. */
export function isConnectFailure(problem: ProblemKind): boolean {
  return (
    problem === PROBLEMS.connectFailed ||
    problem === PROBLEMS.connectTimeout ||
    problem === PROBLEMS.dnsFailed
  );
}

/** The connection went away under the request, as a kept-alive one does that was idle too long. */
export function isConnectionLoss(error: unknown): boolean {
  const { code } = fieldsOf(error);
  return code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE';
}
