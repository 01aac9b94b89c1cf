/**
 * Says in time that a certificate expires.
 *
 * Thread: supervisor (on the main thread). Owns what was said already: each certificate is named
 * once at each of its steps.
 */
import type { Logger } from 'pino';

const DAY_MS = 24 * 60 * 60 * 1000;
/** Days before the end at which the log warns. */
const STEPS_DAYS = [30, 7, 1, 0] as const;

export interface ExpiringCertificate {
  readonly id: string;
  readonly listener: string;
  readonly source: string;
  readonly names: readonly string[];
  readonly startsAtUnixMs: number;
  readonly expiresAtUnixMs: number;
}

export class ExpiryWarnings {
  /** The last step that was said, by listener and certificate. */
  private said = new Map<string, number>();

  constructor(private readonly logger: Logger) {}

  look(certificates: readonly ExpiringCertificate[], unixMs: number): void {
    const said = new Map<string, number>();
    for (const certificate of certificates) {
      const key = `${certificate.listener} ${certificate.id}`;
      const before = this.said.get(key) ?? Number.POSITIVE_INFINITY;
      const step = stepAt(certificate, unixMs);
      if (step < before) this.say(certificate, unixMs);
      if (step !== Number.POSITIVE_INFINITY) said.set(key, step);
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

/** The smallest step that was reached; infinity: none. Not valid yet counts as the last but one. */
function stepAt({ startsAtUnixMs, expiresAtUnixMs }: ExpiringCertificate, unixMs: number): number {
  if (unixMs < startsAtUnixMs) return 1;
  const reached = STEPS_DAYS.filter((days) => expiresAtUnixMs - unixMs <= days * DAY_MS);
  return Math.min(Number.POSITIVE_INFINITY, ...reached);
}
