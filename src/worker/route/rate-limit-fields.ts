/**
 * What a reply says about the limits that the request was counted against.
 *
 * Thread: worker. Fields of draft-ietf-httpapi-ratelimit-headers, and Retry-After of RFC 9110
 * 10.2.3. Seconds are rounded up: never earlier than the truth. A limit in shadow mode is not
 * mentioned.
 */
import { type FieldBlock, field, NO_FIELDS } from '../../base/field-block.js';
import type { CompiledLimiter } from '../../config/compiled-config.js';

function seconds(ms: number): number {
  return Math.max(0, Math.ceil(ms / 1000));
}

/** RateLimit-Policy with the limits that count a caller; no field where there are none. */
export interface PolicyFields {
  readonly identified: FieldBlock;
  readonly anonymous: FieldBlock;
  /** Of whoever was refused before it was known who calls. */
  readonly unknown: FieldBlock;
}

export function policyFields(limiters: readonly CompiledLimiter[]): PolicyFields {
  return {
    identified: policyField(limiters.filter(({ callers }) => callers !== 'anonymous')),
    anonymous: policyField(limiters.filter(({ callers }) => callers !== 'identified')),
    unknown: policyField(limiters.filter(({ callers }) => callers === undefined)),
  };
}

function policyField(limiters: readonly CompiledLimiter[]): FieldBlock {
  const policies = limiters.filter(({ mode }) => mode === 'enforce').map(policyOf);
  return policies.length === 0 ? NO_FIELDS : field('RateLimit-Policy', policies.join(', '));
}

function policyOf({ name, limit, algorithm, windowMs }: CompiledLimiter): string {
  const unit = algorithm === 'inFlight' ? 'qu="concurrent-requests"' : `w=${seconds(windowMs)}`;
  return `"${name}";q=${limit};${unit}`;
}

/** RateLimit with the tightest limit. */
export function rateLimitField(
  limiter: CompiledLimiter,
  remaining: number,
  resetMs: number,
): FieldBlock {
  const { algorithm, name, windowMs } = limiter;
  // Time is counted from the end of a millisecond: what is left of it makes no further second.
  const toldMs = resetMs > windowMs && resetMs <= windowMs + 1 ? windowMs : resetMs;
  const reset = algorithm === 'inFlight' ? '' : `;t=${seconds(toldMs)}`;
  return field('RateLimit', `"${name}";r=${Math.max(0, remaining)}${reset}`);
}

/** Retry-After in whole seconds, at least one. */
export function retryAfterField(retryAfterMs: number): FieldBlock {
  return field('Retry-After', String(Math.max(1, seconds(retryAfterMs))));
}
