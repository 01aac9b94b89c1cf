/**
 * Certificates of a gateway and of a client as files, and what makes programs trust them.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestAuthority } from './test-authority.js';
import type { TestCertificate } from './test-certificate.js';

/** The name that the gateway's certificate has beside its address. */
export const SERVER_NAME = 'gateway.test';

interface PairFiles {
  readonly cert: string;
  readonly key: string;
}

export class ClientFiles {
  /** The authority of both. */
  readonly ca: string;
  /** Of the gateway, with an OCSP response that says that it is good. */
  readonly pair: PairFiles & { readonly ocsp: string };
  readonly client: PairFiles;
  /** As `--ignore-certificate-errors-spki-list` of Chromium takes it. */
  readonly keyHash: string;
  /** Environment in which curl, wget, Python and Node.js trust the authority. */
  readonly trust: Readonly<Record<string, string>>;
  private readonly folder = mkdtempSync(join(tmpdir(), 'sluice-client-files-'));

  constructor() {
    const authority = new TestAuthority();
    try {
      const names = `DNS:localhost,DNS:${SERVER_NAME},IP:127.0.0.1`;
      const server = authority.sign({ names, subject: '/CN=gateway' });
      const client = authority.sign({ names: 'DNS:client.test', subject: '/CN=client' });
      this.ca = this.write('ca.pem', authority.cert);
      const ocsp = this.write('server.der', authority.staple(server));
      // With its authority: curl looks for it there before it believes the staple.
      const chain = { ...server, cert: server.cert + authority.cert };
      this.pair = { ...this.pairFiles('server', chain), ocsp };
      this.client = this.pairFiles('client', client);
      this.keyHash = hashOfKey(server.cert);
    } finally {
      authority.remove();
    }
    this.trust = {
      CURL_CA_BUNDLE: this.ca,
      SSL_CERT_FILE: this.ca,
      REQUESTS_CA_BUNDLE: this.ca,
      NODE_EXTRA_CA_CERTS: this.ca,
      WGETRC: this.write('wgetrc', `ca_certificate = ${this.ca}\n`),
    };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }

  private pairFiles(name: string, { cert, key }: TestCertificate): PairFiles {
    return { cert: this.write(`${name}.pem`, cert), key: this.write(`${name}.key`, key) };
  }

  private write(name: string, text: string | Buffer): string {
    const file = join(this.folder, name);
    writeFileSync(file, text);
    return file;
  }
}

function hashOfKey(cert: string): string {
  const spki = new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(spki).digest('base64');
}
