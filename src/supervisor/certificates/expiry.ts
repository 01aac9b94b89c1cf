/**
 * Says in time that a certificate expires.
 *
 * Thread: supervisor (on the main thread). Owns what was said already: each certificate is named
 * once at each of its steps.
 */
import type { Logger } from 'pino';

const DAY_MS = 24 * 60 * 60 * 1000;
/**
 * What is left when the log warns: this long, or this part of the life where that is shorter. A
 * certificate that is renewed when a third of its life is left (ACME) is renewed before the first.
 */
const STEPS = [
  { ms: 30 * DAY_MS, part: 1 / 4 },
  { ms: 7 * DAY_MS, part: 1 / 10 },
  { ms: DAY_MS, part: 1 / 20 },
  { ms: 0, part: 0 },
] as const;

export interface ExpiringCertificate {
  readonly id: string;
  readonly listener: string;
  readonly source: string;
  readonly names: readonly string[];
  readonly startsAtUnixMs: number;
  readonly expiresAtUnixMs: number;
}

export class ExpiryWarnings {
  /** How many steps were said, by listener and certificate. */
  private said = new Map<string, number>();

  constructor(private readonly logger: Logger) {}

  look(certificates: readonly ExpiringCertificate[], unixMs: number): void {
    const said = new Map<string, number>();
    for (const certificate of certificates) {
      const key = `${certificate.listener} ${certificate.id}`;
      const steps = stepsReached(certificate, unixMs);
      if (steps > (this.said.get(key) ?? 0)) this.say(certificate, unixMs);
      if (steps > 0) said.set(key, steps);
    }
    this.said = said;
  }

  private say(certificate: ExpiringCertificate, unixMs: number): void {
    const { listener, source, names, startsAtUnixMs, expiresAtUnixMs } = certificate;
    const facts = {
      ...{ listener, source, names: names.slice(0, 10) },
      expiresAt: new Date(expiresAtUnixMs).toISOString(),
      daysLeft: Math.floor((expiresAtUnixMs - unixMs) / DAY_MS),
    };
    if (unixMs >= expiresAtUnixMs) this.logger.error(facts, 'a certificate has expired');
    else if (unixMs < startsAtUnixMs) this.logger.warn(facts, 'a certificate is not valid yet');
    else this.logger.warn(facts, 'a certificate expires soon');
  }
}

/** One that is not valid yet is told of once. */
function stepsReached(certificate: ExpiringCertificate, unixMs: number): number {
  const { startsAtUnixMs, expiresAtUnixMs } = certificate;
  if (unixMs < startsAtUnixMs) return 1;
  const leftMs = expiresAtUnixMs - unixMs;
  const lifeMs = expiresAtUnixMs - startsAtUnixMs;
  return STEPS.filter(({ ms, part }) => leftMs <= Math.min(ms, lifeMs * part)).length;
}
