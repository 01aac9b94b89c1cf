/**
 * The two files of one certificate, exchanged in the ways in which they are in the field: each
 * renamed over the old one, or both at once by a link to their folder, as Kubernetes does it.
 */
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestCertificate } from './test-certificate.js';

export type Way = 'rename' | 'link';

export class PairFiles {
  readonly cert: string;
  readonly key: string;
  private readonly folder = mkdtempSync(join(tmpdir(), 'sluice-pair-'));
  private versions = 0;

  constructor(
    private readonly way: Way,
    first: TestCertificate,
  ) {
    this.cert = join(this.folder, 'tls.crt');
    this.key = join(this.folder, 'tls.key');
    this.put(first);
    if (way === 'rename') return;
    for (const file of ['tls.crt', 'tls.key']) {
      symlinkSync(join('..data', file), join(this.folder, file));
    }
  }

  put({ cert, key }: TestCertificate): void {
    if (this.way === 'link') this.switchLink(cert, key);
    else {
      this.renameOver(this.key, key);
      this.renameOver(this.cert, cert);
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  private renameOver(path: string, text: string): void {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  }

  private switchLink(cert: string, key: string): void {
    const old = `..${this.versions}`;
    this.versions += 1;
    const version = `..${this.versions}`;
    mkdirSync(join(this.folder, version));
    writeFileSync(join(this.folder, version, 'tls.crt'), cert);
    writeFileSync(join(this.folder, version, 'tls.key'), key);
    symlinkSync(version, join(this.folder, '..data_tmp'));
    renameSync(join(this.folder, '..data_tmp'), join(this.folder, '..data'));
    rmSync(join(this.folder, old), { recursive: true, force: true });
  }
}
