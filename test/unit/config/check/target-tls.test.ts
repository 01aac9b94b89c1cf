import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError } from '../../../../src/config/check/config-error.js';
import { upstreamsUnverified } from '../../../../src/config/compile/unverified-targets.js';
import { loadConfigText } from '../../../../src/config/source/load-config.js';
import { compileConfig } from '../../../support/compile-config.js';
import { makeCertificate } from '../../../support/test-certificate.js';

const HTTPS = [{ url: 'https://one.example' }];
let folder: string;
const one = makeCertificate();
const other = makeCertificate();

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-tls-'));
  const files = {
    'one.pem': one.cert,
    'one.key': one.key,
    'other.key': other.key,
    'empty.pem': '',
    'torn.pem': `${one.cert.slice(0, 200)}\n-----END CERTIFICATE-----\n`,
    'locked.key':
      '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n',
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
});

afterAll(() => rmSync(folder, { recursive: true }));

function load(upstream: Readonly<Record<string, unknown>>) {
  const config = {
    upstreams: { api: { targets: HTTPS, ...upstream } },
    routes: [{ name: 'all', match: { path: '/*' }, upstream: 'api' }],
  };
  const file = join(folder, 'sluice.json');
  return compileConfig(loadConfigText(JSON.stringify(config), { file, environment: {} }));
}

function problems(upstream: Readonly<Record<string, unknown>>): string[] {
  try {
    load(upstream);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.issues.map(({ path, message }) => `${path}: ${message}`);
  }
}

describe('TLS towards targets, in a configuration', () => {
  it('is read from files beside the configuration, or stands there itself', () => {
    for (const tls of [
      { cert: 'one.pem', key: 'one.key', ca: 'one.pem' },
      { ...one, ca: one.cert },
    ]) {
      const [upstream] = load({ tls }).upstreams;
      expect(upstream?.tls).toMatchObject([{ ca: one.cert, cert: one.cert, key: one.key }]);
    }
  });

  it('is each kind of it once, and of a target what that says itself', () => {
    const targets = [
      ...HTTPS,
      { url: 'https://two.example', tls: { verify: false, serverName: 'inner.example' } },
      { url: 'https://[::1]:8443' },
      { url: 'http://four.example' },
    ];
    const { upstreams, targets: made } = load({ targets, tls: { ca: 'one.pem' } });
    expect(upstreams[0]?.tls.map(({ ca, verifies }) => [ca === one.cert, verifies])).toEqual([
      [true, true],
      [true, false],
    ]);
    expect(made.map(({ serverName, tlsPlace }) => [serverName, tlsPlace])).toEqual([
      ['one.example', 0],
      ['inner.example', 1],
      ['::1', 0],
      ['four.example', -1],
    ]);
    expect(upstreamsUnverified(upstreams)).toEqual(['api']);
  });

  it('is not called unverified where a pin says who the target is', () => {
    const pins = [`${'A'.repeat(43)}=`];
    expect(upstreamsUnverified(load({ tls: { verify: false, pins } }).upstreams)).toEqual([]);
    expect(upstreamsUnverified(load({ tls: { pins } }).upstreams)).toEqual([]);
  });

  it.each([
    [{ ca: 'none.pem' }, /tls\.ca: .*none\.pem: the file cannot be read: there is no such file/],
    [{ ca: 'empty.pem' }, /tls\.ca: .*empty\.pem: holds no certificate in PEM/],
    [{ ca: 'torn.pem' }, /tls\.ca: .*torn\.pem: certificate 1 in it is not valid/],
    [{ ca: '.' }, /tls\.ca: .*it is not a regular file/],
    [{ cert: 'one.pem' }, /tls\.cert: needs key/],
    [{ key: 'one.key' }, /tls\.key: needs cert/],
    [{ cert: 'one.pem', key: 'one.pem' }, /tls\.key: .*holds no private key/],
    [{ cert: 'one.pem', key: 'locked.key' }, /tls\.key: .*is encrypted/],
    [
      { cert: 'one.pem', key: 'other.key' },
      /tls\.key: the key \(.*other\.key\) does not belong to the certificate \(.*one\.pem\)/,
    ],
    [{ pins: ['abc'] }, /tls\.pins\[0\]/],
    [{ pins: [] }, /tls\.pins/],
    [{ minVersion: 'TLSv1.1' }, /tls\.minVersion/],
  ])('%j is a mistake', (tls, message) => {
    expect(problems({ tls })).toEqual([expect.stringMatching(message)]);
    expect(problems({ targets: [{ ...HTTPS[0], tls }] })).toEqual([expect.stringMatching(message)]);
  });

  it('says nothing of a key that stands in the configuration', () => {
    const [problem = ''] = problems({ tls: { cert: one.cert, key: other.key } });
    expect(problem).toContain('the key (in the configuration) does not belong');
    expect(problem).not.toContain('BEGIN');
  });

  it('is a mistake where nobody speaks TLS', () => {
    const targets = [{ url: 'http://one.example' }];
    expect(problems({ targets, tls: {} })).toEqual([expect.stringContaining('no target is https')]);
    expect(problems({ targets: [{ ...targets[0], tls: {} }] })).toEqual([
      expect.stringContaining('only for a target with https'),
    ]);
  });

  it('has a digest by which other settings are told apart', () => {
    const digest = (tls: object) => load({ tls }).upstreams[0]?.tls[0]?.digest;
    const same = { cert: 'one.pem', key: 'one.key' };
    expect(digest(same)).toBe(digest({ ...one }));
    expect(digest(same)).not.toBe(digest({}));
    expect(digest({ verify: false })).not.toBe(digest({}));
  });
});
