/**
 * What an acceptor needs to speak TLS on one listener, as the supervisor hands it over.
 *
 * Thread: any (both ends). Plain data that survives a structured clone. Certificates and keys are
 * PEM in shared memory, so that handing over ten thousand of them copies none. They are never
 * changed once another thread has them.
 */
import { shareCopyOfBytes } from './shared-texts.js';
import type { TrustBundle } from './workload-material.js';

/** Bytes of the keys that session tickets are sealed with. */
export const TICKET_KEY_BYTES = 48;

export interface TlsMaterial {
  readonly server: TlsServerSettings;
  /** A name that several have belongs to the first of them. */
  readonly certificates: readonly TlsCertificate[];
  /**
   * Place of the certificate for clients that name no server, or one that is not known; -1: they
   * are refused.
   */
  readonly fallback: number;
  /** TICKET_KEY_BYTES, the same for all threads. */
  readonly ticketKeys: Uint8Array;
  /** Certificates that prove to an ACME server who owns a name (RFC 8737). */
  readonly challenges: readonly TlsCertificate[];
}

/** What holds for all certificates of a listener. */
export interface TlsServerSettings {
  /** Two settings with the same id are the same. */
  readonly id: string;
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  /** In OpenSSL's form, for TLS 1.2 and 1.3. */
  readonly ciphers: string;
  /** Protocols by preference (RFC 7301). */
  readonly protocols: readonly string[];
  /** From the first byte to the end of the handshake. */
  readonly handshakeMs: number;
  /** null: clients are not asked for certificates. */
  readonly clientCertificates: ClientCertificateRule | null;
}

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

export interface ClientCertificateRule {
  /** `request`: a client may have none. One that does not verify is refused in both modes. */
  readonly mode: 'request' | 'require';
  /** PEM. */
  readonly ca: string;
  /** PEM; empty: nothing was revoked. */
  readonly crl: string;
  /**
   * Clients are workloads (SPIFFE): each has to be verified by the bundle of its own trust domain,
   * which is one of these; null: any certificate that leads to `ca`.
   */
  readonly bundles: readonly TrustBundle[] | null;
}

export interface TlsCertificate {
  /** Two certificates with the same id have the same chains and keys. */
  readonly id: string;
  /** ASCII, lower case; `*.` in front stands for one label. */
  readonly names: readonly string[];
  /** One for each kind of key (ECDSA, RSA); a client gets the one that it can verify. */
  readonly pairs: readonly CertificatePair[];
  /** An OCSP response in DER for the only pair; null: none. */
  readonly staple: Uint8Array | null;
}

/** PEM in shared memory. */
export interface CertificatePair {
  /** The certificate, then those that lead to its root. */
  readonly chain: Uint8Array;
  readonly key: Uint8Array;
}

/** Puts a text where other threads can read it without a copy. */
export function sharePem(text: string): Uint8Array {
  return shareCopyOfBytes(Buffer.from(text, 'latin1'));
}

/** A copy of what was shared: native code does not take shared memory. */
export function pemText(shared: Uint8Array): string {
  return Buffer.from(shared.buffer, shared.byteOffset, shared.length).toString('latin1');
}
