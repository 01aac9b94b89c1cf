/**
 * What a reply says about the limit that the request was counted against.
 *
 * Thread: worker. Fields of draft-ietf-httpapi-ratelimit-headers, and Retry-After of RFC 9110
 * 10.2.3. Seconds are rounded up: never earlier than the truth.
 */
import type { CompiledLimiter } from '../config/compiled-config.js';

function seconds(ms: number): number {
  return Math.max(0, Math.ceil(ms / 1000));
}

/** RateLimit-Policy and RateLimit, each beginning with CRLF. */
export function rateLimitFields(
  limiter: CompiledLimiter,
  remaining: number,
  resetMs: number,
): string {
  const name = `"${limiter.name}"`;
  return (
    `\r\nRateLimit-Policy: ${name};q=${limiter.limit};w=${seconds(limiter.windowMs)}` +
    `\r\nRateLimit: ${name};r=${Math.max(0, remaining)};t=${seconds(resetMs)}`
  );
}

/** Retry-After in whole seconds, at least one. */
export function retryAfterField(retryAfterMs: number): string {
  return `\r\nRetry-After: ${Math.max(1, seconds(retryAfterMs))}`;
}
