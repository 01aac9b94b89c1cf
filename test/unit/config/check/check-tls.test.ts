import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { checkConfig } from '../../../../src/config/check/check-config.js';
import { compileListeners } from '../../../../src/config/compile/compile-listeners.js';
import type { ListenTlsConfig } from '../../../../src/config/gateway-config.js';
import { readServerPair } from '../../../../src/config/references/server-certificate.js';
import { loadConfigText } from '../../../../src/config/source/load-config.js';
import { TestAuthority } from '../../../support/test-authority.js';

const authority = new TestAuthority();
const folder = mkdtempSync(join(tmpdir(), 'sluice-check-tls-'));
afterAll(() => {
  authority.remove();
  rmSync(folder, { recursive: true });
});

function file(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const a = authority.sign({ names: 'DNS:a.test,DNS:*.a.test' });
const b = authority.sign({ names: 'DNS:b.test', kind: 'rsa' });
const cert = file('a.pem', a.cert);
const key = file('a.key', a.key);
const otherKey = file('b.key', b.key);
const ca = file('ca.pem', authority.cert);
const crl = file('crl.pem', authority.revoke());
const PAIR = { cert, key };

function problems(tls: ListenTlsConfig, more: object = {}): string[] {
  const result = checkConfig({
    listen: { tls },
    upstreams: { api: { targets: [{ url: 'http://127.0.0.1:1' }] } },
    routes: [{ name: 'all', match: { path: '/*' }, upstream: 'api' }],
    ...more,
  });
  if (result.isValid) return [];
  return result.findings.map(({ pointer, message }) => `${pointer}: ${message}`);
}

describe('tls of a listener', () => {
  it('may be a pair and nothing else, or have everything', () => {
    expect(problems({ certificates: [PAIR] })).toEqual([]);
    // A certificate serves as well without its staple.
    expect(problems({ certificates: [{ ...PAIR, ocsp: cert }] })).toEqual([]);
    const tickets = { file: file('tickets', Buffer.alloc(48, 1)) };
    const names = ['a.test', 'x.a.test', '*.a.test'];
    const all = { certificates: [{ ...PAIR, names }], clientCertificates: { ca, crl }, tickets };
    expect(problems({ ...all, minVersion: 'TLSv1.3', ciphers: 'TLS_AES_128_GCM_SHA256' })).toEqual(
      [],
    );
  });

  it.each<[string, ListenTlsConfig, RegExp]>([
    ['nothing to show', {}, /^\/listen\/tls: needs "certificates", "acme" or "spiffe"/],
    ['no file', { certificates: [{ cert: join(folder, 'no'), key }] }, /0\/cert: .*no such file/],
    ['a key that is not its own', { certificates: [{ cert, key: otherKey }] }, /key does not bel/],
    ['a certificate for a key', { certificates: [{ cert, key: cert }] }, /0\/key: has no private/],
    ['a key for a certificate', { certificates: [{ cert: key, key }] }, /0\/cert: has no certif/],
    ['another name', { certificates: [{ ...PAIR, names: ['b.test'] }] }, /names: .*not for b.test/],
    ['a name below', { certificates: [{ ...PAIR, names: ['x.y.a.test'] }] }, /not for x.y.a.test/],
    ['no name', { certificates: [{ ...PAIR, names: ['a:1'] }] }, /names\/0: "a:1" is no name/],
    [
      'a CA that is none',
      { certificates: [PAIR], clientCertificates: { ca: key } },
      /\/ca: has no/,
    ],
    [
      'a CRL that is none',
      { certificates: [PAIR], clientCertificates: { ca, crl: ca } },
      /\/crl: h/,
    ],
    [
      'a staple that is not there',
      { certificates: [{ ...PAIR, ocsp: `${cert}.der` }] },
      /ocsp: .*there is no such file/,
    ],
    [
      'a staple that never ends',
      { certificates: [{ ...PAIR, ocsp: '/dev/null' }] },
      /ocsp: .*it is not a regular file/,
    ],
    ['short ticket keys', { certificates: [PAIR], tickets: { file: key } }, /\d+ bytes and not 48/],
    ['unknown ciphers', { certificates: [PAIR], ciphers: 'NONSENSE' }, /ciphers: has no cipher/],
    [
      'versions in the wrong order',
      { certificates: [PAIR], minVersion: 'TLSv1.3', maxVersion: 'TLSv1.2' },
      /maxVersion: must not be older/,
    ],
    [
      'ACME without a place for its keys',
      { acme: { email: 'a@b.test', names: ['a.test'] } },
      /acme: needs "stateDir"/,
    ],
  ])('is refused with %s', (_, tls, expected) => {
    expect(problems(tls)).toEqual([expect.stringMatching(expected)]);
  });

  it('has no wildcard by ACME, and no directory without TLS', () => {
    const acme = { email: 'a@b.test', names: ['*.a.test'], directory: 'http://ca.test/' };
    expect(problems({ acme }, { stateDir: folder })).toEqual([
      expect.stringMatching(/names\/0: a wildcard cannot be proved/),
      expect.stringMatching(/directory: /),
    ]);
  });

  it('needs the engine wire', () => {
    const listen = { tls: { certificates: [PAIR] }, engine: 'uws' };
    expect(problems({}, { listen })).toEqual([expect.stringMatching(/engine "uws" has no "tls"/)]);
  });

  it('repeats no key, whatever is wrong with it', () => {
    const broken = file('broken.key', a.key.slice(0, 60) + a.key.slice(80));
    const said = problems({ certificates: [{ cert, key: broken }] }).join('\n');
    expect(said).toMatch(/key/);
    for (const line of a.key.split('\n').slice(1, -2)) expect(said).not.toContain(line);
  });

  it('finds files beside the configuration', () => {
    const text = `
listen:
  tls:
    certificates: [{ cert: a.pem, key: a.key, names: [Bücher.a.test] }]
    clientCertificates: { ca: ca.pem }
upstreams: { api: { targets: [{ url: "http://127.0.0.1:1" }] } }
routes: [{ name: all, match: { path: "/*" }, upstream: api }]
`;
    const config = loadConfigText(text, { file: join(folder, 'sluice.yaml'), environment: {} });
    const [listener] = compileListeners(config);
    expect(listener?.tls).toMatchObject({
      certificates: [{ cert, key, names: ['xn--bcher-kva.a.test'], ocsp: '' }],
      clientCertificates: { mode: 'require', ca, crl: '' },
      minVersion: 'TLSv1.2',
      strictSni: false,
      acme: null,
    });
  });
});

describe('a pair', () => {
  const read = (certText: string, keyText = a.key) =>
    readServerPair({ cert: certText, key: keyText, names: [] });

  it('has the names of its certificate, and its kind', () => {
    expect(read(a.cert)).toMatchObject({
      pair: { names: ['a.test', '*.a.test'], kind: 'ec', notes: [] },
    });
    expect(read(b.cert, b.key)).toMatchObject({ pair: { names: ['b.test'], kind: 'rsa' } });
  });

  it('is told where its chain is in the wrong order', () => {
    expect(read(a.cert + authority.cert)).toMatchObject({ pair: { notes: [] } });
    expect(read(authority.cert + a.cert)).toMatchObject({
      part: 'cert',
      problem: expect.stringContaining('must stand first'),
    });
    expect(read(a.cert + b.cert + authority.cert)).toMatchObject({
      pair: { notes: ['certificate 2 in the file has not issued certificate 1'] },
    });
  });

  it('needs a key without a passphrase, and of a kind that TLS knows', () => {
    const encrypted =
      '-----BEGIN ENCRYPTED PRIVATE KEY-----\nx\n-----END ENCRYPTED PRIVATE KEY-----';
    expect(read(a.cert, encrypted)).toMatchObject({ problem: expect.stringMatching(/passphrase/) });
    expect(read('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----')).toMatchObject({
      part: 'cert',
      problem: 'has a certificate that cannot be read',
    });
  });
});
