/**
 * What went wrong with TLS towards a target: which problem it is, and why, in words.
 *
 * Thread: worker, and the main thread for health checks.
 */
import { PROBLEMS, type ProblemKind } from '../../base/problems.js';

/** Code of the error when no pin fits. */
export const PIN_MISMATCH = 'ERR_TLS_PIN';

/** Code of the error when a target does not agree to speak HTTP/2. */
export const NO_HTTP2 = 'ERR_TLS_ALPN';

/** Code of the error when the target is another workload than it should be. */
export const WRONG_SPIFFE_ID = 'ERR_SPIFFE_ID';

/** Code of the error when the gateway has no identity of its own, or knows no authority. */
export const NO_IDENTITY = 'ERR_SPIFFE_NO_IDENTITY';

/** The handshake with a target failed: nothing of a request has reached its application. */
export class TargetTlsError extends Error {
  constructor(
    /** As OpenSSL or Node.js gives it. */
    readonly code: string,
    /** What the operator is told: a part of a sentence. */
    readonly reason: string,
  ) {
    super(`TLS to the target failed: ${reason}`);
  }
}

interface Known {
  readonly problem: ProblemKind;
  readonly reason: string;
}

const UNTRUSTED: Known = {
  problem: PROBLEMS.certificateUntrusted,
  reason: 'its certificate leads to no authority that is trusted',
};

const KNOWN: ReadonlyMap<string, Known> = new Map([
  [
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    { problem: PROBLEMS.certificateSelfSigned, reason: 'its certificate is signed by itself' },
  ],
  [
    'SELF_SIGNED_CERT_IN_CHAIN',
    {
      problem: PROBLEMS.certificateSelfSigned,
      reason: 'the authority above its certificate is signed by itself, and not trusted',
    },
  ],
  [
    'CERT_HAS_EXPIRED',
    {
      problem: PROBLEMS.certificateExpired,
      reason: 'its certificate, or one above it, has expired',
    },
  ],
  [
    'CERT_NOT_YET_VALID',
    {
      problem: PROBLEMS.certificateExpired,
      reason: 'its certificate, or one above it, is not valid yet',
    },
  ],
  [
    'ERR_TLS_CERT_ALTNAME_INVALID',
    { problem: PROBLEMS.certificateName, reason: 'its certificate is for other names' },
  ],
  [
    'HOSTNAME_MISMATCH',
    { problem: PROBLEMS.certificateName, reason: 'its certificate is for other names' },
  ],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', UNTRUSTED],
  ['UNABLE_TO_GET_ISSUER_CERT', UNTRUSTED],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', UNTRUSTED],
  ['CERT_UNTRUSTED', UNTRUSTED],
  [
    PIN_MISMATCH,
    { problem: PROBLEMS.certificatePin, reason: 'no pin fits the key of its certificate' },
  ],
  [
    WRONG_SPIFFE_ID,
    { problem: PROBLEMS.spiffeId, reason: 'its certificate is for another workload' },
  ],
  [NO_IDENTITY, { problem: PROBLEMS.noIdentity, reason: 'the gateway has no SPIFFE identity now' }],
  [NO_HTTP2, { problem: PROBLEMS.upstreamTls, reason: 'it does not agree to speak HTTP/2 (ALPN)' }],
  ['ERR_SSL_WRONG_VERSION_NUMBER', { problem: PROBLEMS.upstreamTls, reason: 'it speaks no TLS' }],
  ['ERR_SSL_PACKET_LENGTH_TOO_LONG', { problem: PROBLEMS.upstreamTls, reason: 'it speaks no TLS' }],
  [
    'ERR_SSL_UNSUPPORTED_PROTOCOL',
    { problem: PROBLEMS.upstreamTls, reason: 'it speaks no version of TLS from minVersion on' },
  ],
]);

const OTHER_CERTIFICATE_CODES =
  /^(?:CERT_|CRL_|UNABLE_TO_|INVALID_(?:CA|PURPOSE)|PATH_LENGTH_EXCEEDED$|ERROR_IN_CE?RT)/;

/** The other side's word for why it goes no further (RFC 8446 6.2). */
const ALERT_CODES = /^ERR_SSL_.*ALERT_/;

/** Which problem of TLS the code of an error stands for; null: none. */
export function tlsProblem(code: string): ProblemKind | null {
  const known = KNOWN.get(code);
  if (known !== undefined) return known.problem;
  if (OTHER_CERTIFICATE_CODES.test(code)) return PROBLEMS.certificateRefused;
  if (ALERT_CODES.test(code)) return PROBLEMS.upstreamTlsAlert;
  return code === 'EPROTO' || code.startsWith('ERR_SSL_') ? PROBLEMS.upstreamTls : null;
}

/** Alerts that only end a handshake, about the certificate that was shown or was not. */
const CERTIFICATE_ALERT_CODES =
  /ALERT_(?:(?:BAD|UNSUPPORTED)_CERTIFICATE|CERTIFICATE_[A-Z]+|UNKNOWN_CA|ACCESS_DENIED)$/;

/** Whether the other side does not take the certificate, which it may say after the handshake. */
export function isCertificateAlert(error: Error): boolean {
  return CERTIFICATE_ALERT_CODES.test(textOf(error, 'code'));
}

/** The connection went away, and it is not said why. */
const LOSS_CODES: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);

/** An error of the handshake as what it means; `error`: as the socket gave it. */
export function handshakeError(error: Error): Error {
  if (error instanceof TargetTlsError) return error;
  const code = textOf(error, 'code');
  if (tlsProblem(code) !== null) return new TargetTlsError(code, reasonOf(code, error));
  if (!LOSS_CODES.has(code)) return error;
  return new TargetTlsError('EPROTO', 'it closed the connection during the handshake');
}

/** Whether TLS failed on a connection that stood: bytes that are not what the other side sent. */
export function isTlsError(error: Error): boolean {
  return tlsProblem(textOf(error, 'code')) !== null;
}

/** What OpenSSL says of an error, less its places in source code. */
export function tlsReason(error: unknown): string {
  return textOf(error, 'reason') || textOf(error, 'code') || 'unknown';
}

function reasonOf(code: string, error: Error): string {
  const said = textOf(error, 'reason');
  if (ALERT_CODES.test(code)) return `it answered with an alert: ${said || code}`;
  const known = KNOWN.get(code)?.reason;
  if (known === undefined) return said || error.message || code;
  // Which names it is for.
  return code === 'ERR_TLS_CERT_ALTNAME_INVALID' && said !== '' ? `${known}: ${said}` : known;
}

function textOf(error: unknown, member: 'code' | 'reason'): string {
  const value: unknown =
    typeof error === 'object' && error !== null ? Reflect.get(error, member) : undefined;
  return typeof value === 'string' ? value : '';
}
