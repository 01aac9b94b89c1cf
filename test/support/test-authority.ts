/**
 * A certificate authority for one test run: signs certificates of servers and clients, and takes
 * them back. Needs `openssl`.
 */
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestCertificate } from './test-certificate.js';

export interface CertificateWish {
  /** As subjectAltName has them. */
  readonly names?: string;
  readonly subject?: string;
  readonly kind?: 'ec' | 'rsa';
  /** Default: 2. Negative: it has expired. */
  readonly days?: number;
}

export class TestAuthority {
  readonly cert: string;
  private readonly folder = mkdtempSync(join(tmpdir(), 'sluice-authority-'));
  private made = 0;

  constructor(name = 'Sluice test authority') {
    this.openssl(
      ['req', '-x509', ...keyArguments('ec'), '-nodes', '-days', '2', '-subj', `/CN=${name}`],
      ['-keyout', 'ca.key', '-out', 'ca.pem'],
    );
    writeFileSync(join(this.folder, 'index.txt'), '');
    writeFileSync(join(this.folder, 'number'), '01\n');
    writeFileSync(
      join(this.folder, 'ca.cnf'),
      '[ca]\ndefault_ca=x\n[x]\ndatabase=index.txt\ncrlnumber=number\ndefault_md=sha256\n' +
        'default_crl_days=1\ncertificate=ca.pem\nprivate_key=ca.key\n' +
        'serial=serial\npolicy=any\ncopy_extensions=copy\nunique_subject=no\n[any]\ncommonName=optional\n',
    );
    this.cert = this.text('ca.pem');
  }

  sign({ names, subject = '/CN=test', kind = 'ec', days = 2 }: CertificateWish): TestCertificate {
    this.made += 1;
    const name = `c${this.made}`;
    this.openssl(
      ['req', '-new', ...keyArguments(kind), '-nodes', '-subj', subject, '-utf8'],
      ['-keyout', `${name}.key`, '-out', `${name}.csr`],
    );
    const extensions = names === undefined ? '' : `subjectAltName=${names}\n`;
    writeFileSync(join(this.folder, 'extensions'), extensions);
    this.openssl(
      ['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key'],
      ['-set_serial', String(1000 + this.made), '-days', String(days), '-out', `${name}.pem`],
      ['-extfile', 'extensions'],
    );
    return { key: this.text(`${name}.key`), cert: this.text(`${name}.pem`) };
  }

  /** A certificate with a time of its own: both ends as `YYYYMMDDHHMMSSZ`. */
  signBetween(names: string, from: string, until: string): TestCertificate {
    this.made += 1;
    const name = `c${this.made}`;
    this.openssl(
      ['req', '-new', ...keyArguments('ec'), '-nodes', '-subj', '/CN=test'],
      ['-addext', `subjectAltName=${names}`, '-keyout', `${name}.key`, '-out', `${name}.csr`],
    );
    this.openssl(
      ['ca', '-batch', '-notext', '-config', 'ca.cnf', '-rand_serial', '-outdir', '.'],
      ['-in', `${name}.csr`, '-out', `${name}.pem`, '-startdate', from, '-enddate', until],
    );
    return { key: this.text(`${name}.key`), cert: this.text(`${name}.pem`) };
  }

  /** The list of what was taken back, these included, in PEM. */
  revoke(...certificates: readonly string[]): string {
    for (const cert of certificates) {
      writeFileSync(join(this.folder, 'revoked.pem'), cert);
      this.openssl(['ca', '-config', 'ca.cnf', '-revoke', 'revoked.pem']);
    }
    this.openssl(['ca', '-config', 'ca.cnf', '-gencrl', '-out', 'crl.pem']);
    return this.text('crl.pem');
  }

  /** An OCSP response, in DER, that says that a certificate signed here is good. */
  staple({ cert }: TestCertificate): Buffer {
    const { serialNumber } = new X509Certificate(cert);
    const until = '20991231235959Z';
    const entry = ['V', until, '', serialNumber.padStart(4, '0'), 'unknown', '/CN=test'];
    writeFileSync(join(this.folder, 'stapled.txt'), `${entry.join('\t')}\n`);
    writeFileSync(join(this.folder, 'stapled.pem'), cert);
    this.openssl([
      'ocsp',
      '-issuer',
      'ca.pem',
      '-cert',
      'stapled.pem',
      '-reqout',
      'ask.der',
      '-no_nonce',
    ]);
    this.openssl(
      ['ocsp', '-index', 'stapled.txt', '-CA', 'ca.pem', '-rsigner', 'ca.pem', '-rkey', 'ca.key'],
      ['-reqin', 'ask.der', '-respout', 'answer.der', '-ndays', '1'],
    );
    return readFileSync(join(this.folder, 'answer.der'));
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  private openssl(...parts: readonly (readonly string[])[]): void {
    execFileSync('openssl', parts.flat(), { cwd: this.folder, stdio: 'pipe' });
  }

  private text(name: string): string {
    return readFileSync(join(this.folder, name), 'utf8');
  }
}

function keyArguments(kind: 'ec' | 'rsa'): string[] {
  return kind === 'rsa'
    ? ['-newkey', 'rsa:2048']
    : ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
}
