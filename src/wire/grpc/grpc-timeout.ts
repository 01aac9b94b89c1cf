/**
 * The field `grpc-timeout`: how long the client waits, as up to eight digits and a unit.
 *
 * Thread: any (pure).
 */

const TIMEOUT = /^(\d{1,8})([HMSmun])$/;

const UNIT_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

const DIGITS_MAX = 99_999_999;

/** Milliseconds; NaN: it is malformed. */
export function parseGrpcTimeout(text: string): number {
  const [, digits = '', unit = ''] = TIMEOUT.exec(text) ?? [];
  const unitMs = UNIT_MS[unit];
  return unitMs === undefined ? Number.NaN : Number(digits) * unitMs;
}

/** In the finest unit that has room, rounded down but never to nothing. */
export function formatGrpcTimeout(ms: number): string {
  const us = Math.max(1, Math.floor(ms * 1000));
  if (us <= DIGITS_MAX) return `${us}u`;
  const whole = Math.floor(ms);
  if (whole <= DIGITS_MAX) return `${whole}m`;
  return `${Math.min(DIGITS_MAX, Math.floor(ms / 1000))}S`;
}
