/**
 * TLS of one listener, with every default filled in: files and rules, no keys.
 *
 * Thread: any (pure). Types only; plain data, so that it can be cloned to threads. Made by
 * compile/compile-tls.ts. The supervisor reads the files and keeps watching them.
 */

import type { ListenerSpiffe } from './spiffe-settings.js';

export interface TlsSettings {
  readonly certificates: readonly CertificateFiles[];
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  readonly maxVersion: 'TLSv1.2' | 'TLSv1.3';
  /** In OpenSSL's form. */
  readonly ciphers: string;
  /** Clients that name no server, or an unknown one, are refused. */
  readonly strictSni: boolean;
  /** null: clients are not asked for certificates. */
  readonly clientCertificates: ClientCertificateSettings | null;
  readonly tickets: {
    /** Absolute; empty: the gateway makes the keys itself. */
    readonly file: string;
    readonly rotateMs: number;
  };
  /** null: the listener does not show the gateway's own identity. */
  readonly spiffe: ListenerSpiffe | null;
  /** null: there is no certificate by ACME. */
  readonly acme: AcmeSettings | null;
}

/** One pair. Names of files are absolute. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
  /** ASCII, lower case, `*.` in front stands for one label; empty: those in the certificate. */
  readonly names: readonly string[];
  /** An OCSP response in DER; empty: none. */
  readonly ocsp: string;
}

export interface ClientCertificateSettings {
  readonly mode: 'request' | 'require';
  readonly ca: string;
  /** Empty: none. */
  readonly crl: string;
}

export interface AcmeSettings {
  readonly email: string;
  /** ASCII, lower case; one certificate has all of them. */
  readonly names: readonly string[];
  readonly directory: string;
  /** A file with the authority of the directory's own certificate; empty: those of Node. */
  readonly directoryCa: string;
  readonly challenge: 'http-01' | 'tls-alpn-01';
}
