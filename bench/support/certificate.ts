/**
 * A certificate for contenders that speak TLS, signed by nobody: ECDSA P-256, as most servers of
 * the public web have it. Needs the program `openssl`, as Node.js makes keys and no certificates.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { findProgram } from './environment.js';

export interface Certificate {
  readonly certPath: string;
  readonly keyPath: string;
}

const TIMEOUT_MS = 10_000;
const DAYS_VALID = '30';

/** Why none can be made here; empty when one can. */
export function missingCertificateTool(): string {
  return findProgram('openssl') === '' ? 'openssl is not installed' : '';
}

export function makeCertificate(folder: string): Certificate {
  const certPath = join(folder, 'cert.pem');
  const keyPath = join(folder, 'key.pem');
  const key = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    keyPath,
  ];
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const command = ['req', '-x509', '-days', DAYS_VALID, ...key, ...names, '-out', certPath];
  execFileSync(findProgram('openssl'), command, { stdio: 'ignore', timeout: TIMEOUT_MS });
  return { certPath, keyPath };
}
