import { describe, expect, it } from 'vitest';
import { PROBLEMS } from '../../../../src/base/problems.js';
import {
  failureCause,
  failureDetail,
  isConnectFailure,
  upstreamProblem,
} from '../../../../src/worker/upstream/upstream-error.js';

function anError(code: string, message = 'x'): Error {
  return Object.assign(new Error(message), { code });
}

describe('what went wrong with a target', () => {
  it.each([
    ['DEPTH_ZERO_SELF_SIGNED_CERT', PROBLEMS.certificateSelfSigned],
    ['SELF_SIGNED_CERT_IN_CHAIN', PROBLEMS.certificateSelfSigned],
    ['CERT_HAS_EXPIRED', PROBLEMS.certificateExpired],
    ['CERT_NOT_YET_VALID', PROBLEMS.certificateExpired],
    ['ERR_TLS_CERT_ALTNAME_INVALID', PROBLEMS.certificateName],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', PROBLEMS.certificateUntrusted],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', PROBLEMS.certificateUntrusted],
    ['CERT_REVOKED', PROBLEMS.certificateRefused],
    ['CERT_SIGNATURE_FAILURE', PROBLEMS.certificateRefused],
    ['INVALID_PURPOSE', PROBLEMS.certificateRefused],
    ['ERR_SSL_WRONG_VERSION_NUMBER', PROBLEMS.upstreamTls],
    ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', PROBLEMS.upstreamTlsAlert],
    ['ERR_TLS_PIN', PROBLEMS.certificatePin],
    ['EPROTO', PROBLEMS.upstreamTls],
  ])('is told of TLS by %s, before anything was sent', (code, problem) => {
    expect(upstreamProblem(anError(code))).toBe(problem);
    expect(isConnectFailure(problem)).toBe(true);
    expect(failureDetail(problem, '')).toBe(problem.when);
  });

  it('is the lack of a file here, and no failure of the target', () => {
    const error = anError('EMFILE');
    const problem = upstreamProblem(error);
    expect([problem, isConnectFailure(problem)]).toEqual([PROBLEMS.overloaded, false]);
    expect(failureDetail(problem, '')).toBe('The gateway has no room for it now.');
    expect(failureCause(error)).toBe('no more files can be opened: raise ulimit -n');
  });

  it.each([
    ['UND_ERR_HEADERS_OVERFLOW', PROBLEMS.upstreamHeadTooLarge],
    ['HPE_HEADER_OVERFLOW', PROBLEMS.upstreamHeadTooLarge],
    ['HPE_INVALID_REPLY', PROBLEMS.upstreamProtocol],
    ['ECONNRESET', PROBLEMS.upstreamReset],
    ['ECONNREFUSED', PROBLEMS.connectFailed],
    ['', PROBLEMS.upstreamReset],
  ])('is told apart by the code %j', (code, problem) => {
    expect(upstreamProblem(anError(code))).toBe(problem);
  });

  it('is told in the words of the system where no connection came about', () => {
    const refused = (address: string) =>
      Object.assign(anError('ECONNREFUSED', `connect ECONNREFUSED ${address}`), {
        syscall: 'connect',
      });
    expect(failureCause(refused('127.0.0.1:1'))).toBe('connect ECONNREFUSED 127.0.0.1:1');
    const both = new AggregateError([refused('::1:1'), refused('127.0.0.1:1')]);
    const cause = failureCause(Object.assign(both, { code: 'ECONNREFUSED' }));
    expect(cause).toBe('connect ECONNREFUSED ::1:1; connect ECONNREFUSED 127.0.0.1:1');
    expect(failureDetail(PROBLEMS.connectFailed, cause)).toBe('The target cannot be reached.');
    expect(failureCause(anError('UND_ERR_CONNECT_TIMEOUT', 'connect timeout'))).toBe('');
  });

  it('is told in the words of the parser, in a line of printable characters', () => {
    const error = anError(
      'HPE_INVALID_REPLY',
      `malformed reply: bare CR\r\n\u00e9${'x'.repeat(200)}`,
    );
    const cause = failureCause(error);
    expect(cause).toMatch(/^malformed reply: bare CR {3}x+$/);
    expect(cause).toHaveLength(160);
    expect(failureDetail(PROBLEMS.upstreamProtocol, cause)).toContain('bare CR');
    expect(failureCause(anError('ECONNRESET', 'secret'))).toBe('');
  });
});
