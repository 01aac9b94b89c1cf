/**
 * TLS towards targets, as threads have it.
 *
 * Thread: any (pure). Types only. Made by compile/compile-target-tls.ts.
 */
import type { TargetSpiffe } from './spiffe-settings.js';

/** How TLS is spoken with some targets. */
export interface CompiledTargetTls {
  /** PEM; empty: the authorities that Node.js knows. */
  readonly ca: string;
  /** PEM of the gateway's own certificate; empty: it has none. */
  readonly cert: string;
  readonly key: string;
  readonly verifies: boolean;
  /** SHA-256 of public keys in base64; empty: any. */
  readonly pins: readonly string[];
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  /** null: the target is known by its host name. Else it and the gateway are workloads. */
  readonly spiffe: TargetSpiffe | null;
  /** Of all of the above: the same text, the same settings. */
  readonly digest: string;
}
