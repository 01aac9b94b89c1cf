import { mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TlsMaterial } from '../../../../src/channel/tls-material.js';
import type { ListenerSettings } from '../../../../src/config/listener-settings.js';
import type { TlsSettings } from '../../../../src/config/tls-settings.js';
import { Certificates } from '../../../../src/supervisor/certificates/certificates.js';
import { ExpiryWarnings } from '../../../../src/supervisor/certificates/expiry.js';
import {
  type SharedServerPair,
  unitePairs,
} from '../../../../src/supervisor/certificates/unite-pairs.js';
import { FakeClock } from '../../../support/fake-clock.js';
import { A_LISTENER } from '../../../support/listener-settings.js';
import { type LoggedLine, recordingLogger } from '../../../support/recording-logger.js';
import { TestAuthority } from '../../../support/test-authority.js';

const authority = new TestAuthority();
afterAll(() => authority.remove());
const a = authority.sign({ names: 'DNS:a.test' });
const b = authority.sign({ names: 'DNS:b.test' });
const aRsa = authority.sign({ names: 'DNS:a.test', kind: 'rsa' });

describe('pairs', () => {
  const pair = (id: string, kind: 'ec' | 'rsa', ...names: string[]): SharedServerPair => {
    const bytes = new Uint8Array(0);
    return { id, kind, names, chain: bytes, key: bytes, staple: null };
  };
  const shape = (...pairs: SharedServerPair[]) => {
    const { certificates, first } = unitePairs(pairs);
    return { first, names: certificates.map(({ id, names }) => `${id}: ${names.join(' ')}`) };
  };

  it('of two kinds are one certificate for the names that both have', () => {
    const [e, r] = [pair('e', 'ec', 'a.test', 'b.test'), pair('r', 'rsa', 'a.test', 'c.test')];
    expect(shape(e, r)).toEqual({
      first: 0,
      names: ['e+r: a.test', 'e: b.test', 'r: c.test'],
    });
    expect(unitePairs([e, r]).certificates[0]?.pairs).toHaveLength(2);
  });

  it('of one name and kind: the first one counts', () => {
    expect(shape(pair('1', 'ec', 'a.test'), pair('2', 'ec', 'a.test', 'b.test')).names).toEqual([
      '1: a.test',
      '2: b.test',
    ]);
  });

  it('without names are for clients that name no server', () => {
    expect(shape(pair('1', 'ec'), pair('2', 'ec', 'a.test'))).toEqual({
      first: 0,
      names: ['1: ', '2: a.test'],
    });
    expect(shape()).toEqual({ first: -1, names: [] });
  });

  it('carry a staple only where OpenSSL cannot choose the other kind', () => {
    const staple = new Uint8Array([1]);
    const e = { ...pair('e', 'ec', 'a.test', 'b.test'), staple };
    const { certificates } = unitePairs([e, pair('r', 'rsa', 'a.test')]);
    expect(certificates.map((one) => one.staple)).toEqual([null, staple]);
  });
});

describe('warnings of an end', () => {
  const DAY = 24 * 60 * 60 * 1000;
  const one = {
    ...{ id: 'x', listener: 'l', source: 'f', names: ['a.test'] },
    ...{ startsAtUnixMs: 0, expiresAtUnixMs: 100 * DAY },
  };

  it.each([
    [365, [30, 7, 1]],
    [90, [22, 7, 1]],
    [30, [7, 3, 1]],
    [6, [1, 0, 0]],
  ])('come by its life of %i days, and when it is over', (days, left) => {
    const lines: LoggedLine[] = [];
    const warnings = new ExpiryWarnings(recordingLogger((line) => lines.push(line)));
    const certificate = { ...one, expiresAtUnixMs: days * DAY };
    for (let hour = 0; hour < 24 * (days + 2); hour += 1) {
      warnings.look([certificate], hour * 60 * 60 * 1000);
    }
    const said = lines.map(({ daysLeft, msg }) => [daysLeft, msg]);
    expect(said).toEqual([
      ...left.map((daysLeft) => [daysLeft, 'a certificate expires soon']),
      [0, 'a certificate has expired'],
    ]);
  });

  it('do not come for one that ACME renews in time', () => {
    const lines: LoggedLine[] = [];
    const warnings = new ExpiryWarnings(recordingLogger((line) => lines.push(line)));
    // The latest moment of a renewal: two thirds and a twentieth.
    warnings.look([one], (2 / 3 + 1 / 20) * 100 * DAY);
    expect(lines).toEqual([]);
  });
});

describe('certificates of listeners', () => {
  let folder = '';
  let clock: FakeClock;
  let lines: LoggedLine[];
  let told: [number, TlsMaterial][];
  let certificates: Certificates;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-certificates-'));
    clock = new FakeClock();
    lines = [];
    told = [];
    certificates = new Certificates({
      ...{ clock, logger: recordingLogger((line) => lines.push(line)) },
      tell: (listener, material) => void told.push([listener, material]),
    });
  });

  afterEach(() => {
    certificates.stop();
    rmSync(folder, { recursive: true });
  });

  function file(name: string, text: string | Buffer): string {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  }

  function listener(tls: Partial<TlsSettings> = {}): ListenerSettings {
    return {
      ...A_LISTENER,
      index: 3,
      tls: {
        certificates: [],
        ...{ minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3', ciphers: 'X', strictSni: false },
        ...{ clientCertificates: null, tickets: { file: '', rotateMs: 1e6 } },
        ...{ spiffe: null, acme: null },
        ...tls,
      },
    };
  }

  const files = (cert: string, key: string, names: string[] = []) => ({
    ...{ cert, key, names, ocsp: '' },
  });

  /** Two looks: what has changed must be at rest. */
  async function look(): Promise<void> {
    await lookOnce();
    await lookOnce();
  }

  async function lookOnce(): Promise<void> {
    const before = clock.timerCount;
    clock.advance(1001);
    // A look that is over has set the timer of the next one.
    while (clock.timerCount < before) await new Promise((done) => setImmediate(done));
  }

  const last = (): TlsMaterial | undefined => told.at(-1)?.[1];
  const nameLists = () => last()?.certificates.map(({ names }) => names);

  it('are told with their names, the first one for everybody else', async () => {
    const one = files(file('a.pem', a.cert), file('a.key', a.key));
    const two = files(file('r.pem', aRsa.cert), file('r.key', aRsa.key));
    await certificates.adopt([listener({ certificates: [one, two] })]);
    expect(told.map(([index]) => index)).toEqual([3]);
    expect(last()).toMatchObject({ fallback: 0, certificates: [{ names: ['a.test'] }] });
    expect(last()?.certificates[0]?.pairs).toHaveLength(2);
    expect(last()?.ticketKeys).toHaveLength(48);
    await certificates.adopt([listener({ certificates: [one], strictSni: true })]);
    expect(last()?.fallback).toBe(-1);
  });

  it('are others once a file has changed and is at rest', async () => {
    const one = files(file('a.pem', a.cert), file('a.key', a.key));
    await certificates.adopt([listener({ certificates: [one] })]);
    file('a.pem', b.cert);
    file('a.key', b.key);
    await look();
    expect(nameLists()).toEqual([['b.test']]);
    expect(certificates.status()).toMatchObject({ refused: 0, certificates: [{ name: 'b.test' }] });
  });

  it.each<[string, (path: string) => void]>([
    ['does not fit', (path) => writeFileSync(path, b.key)],
    ['is no key', (path) => writeFileSync(path, 'nonsense')],
    ['is gone', (path) => unlinkSync(path)],
  ])('stay when a new key %s, which is told once', async (_, change) => {
    const one = files(file('a.pem', a.cert), file('a.key', a.key));
    await certificates.adopt([listener({ certificates: [one] })]);
    change(one.key);
    await look();
    await look();
    expect(nameLists()).toEqual([['a.test']]);
    expect(certificates.status().refused).toBe(1);
    expect(JSON.stringify(lines)).not.toContain(b.key.split('\n')[1]);
    file('a.pem', b.cert);
    file('a.key', b.key);
    await look();
    expect(nameLists()).toEqual([['b.test']]);
  });

  it('stay while those of another configuration cannot be read', async () => {
    const one = files(file('a.pem', a.cert), file('a.key', a.key));
    await certificates.adopt([listener({ certificates: [one] })]);
    const other = files(file('b.pem', b.cert), join(folder, 'b.key'));
    await certificates.adopt([listener({ certificates: [other] })]);
    expect(nameLists()).toEqual([['a.test']]);
    file('b.key', b.key);
    await look();
    expect(nameLists()).toEqual([['b.test']]);
  });

  it('are served without a staple that is none, and with the last one that was one', async () => {
    const one = { ...files(file('a.pem', a.cert), file('a.key', a.key)), ocsp: file('ocsp', '<') };
    await certificates.adopt([listener({ certificates: [one] })]);
    expect(last()?.certificates).toMatchObject([{ names: ['a.test'], staple: null }]);
    const problems = () => lines.flatMap(({ problem }) => (problem === undefined ? [] : [problem]));
    const problem = 'is no OCSP response in DER (RFC 6960)';
    expect(problems()).toEqual([`${problem}; the certificate is served without it`]);
    const response = Buffer.from([0x30, 7, 0x0a, 1, 0, 0xa0, 2, 0x30, 0]);
    file('ocsp', response);
    await look();
    file('ocsp', '<');
    await look();
    expect(Buffer.from(last()?.certificates[0]?.staple ?? [])).toEqual(response);
    expect(problems().slice(1)).toEqual([problem]);
  });

  it('that do not fit are told once, though each file comes to rest on its own', async () => {
    const one = files(file('a.pem', a.cert), file('a.key', a.key));
    const config = [listener({ certificates: [one] })];
    await certificates.adopt(config);
    file('a.pem', b.cert);
    await lookOnce();
    file('a.key', aRsa.key);
    await look();
    await look();
    expect(certificates.status().refused).toBe(1);
    file('a.key', a.key);
    file('a.pem', a.cert);
    await look();
    file('a.key', aRsa.key);
    file('a.pem', b.cert);
    await look();
    expect(certificates.status().refused).toBe(2);
    expect(nameLists()).toEqual([['a.test']]);
  });

  it('let nobody in while the authorities of clients cannot be read', async () => {
    const one = files(file('a.pem', a.cert), file('a.key', a.key));
    const ca = file('ca.pem', authority.cert);
    const crl = file('crl.pem', 'nonsense');
    const tls = { certificates: [one] };
    const client = { mode: 'require' as const, ca, crl: '' };
    await certificates.adopt([listener({ ...tls, clientCertificates: client })]);
    expect(last()).toMatchObject({
      fallback: 0,
      server: { clientCertificates: { mode: 'require', ca: authority.cert, crl: '' } },
    });
    await certificates.adopt([listener({ ...tls, clientCertificates: { ...client, crl } })]);
    expect(last()).toMatchObject({ fallback: -1, certificates: [] });
    file('crl.pem', authority.revoke());
    await look();
    expect(last()?.certificates).toHaveLength(1);
  });

  it('have new keys of tickets after their time, and those of a file when it changes', async () => {
    const one = files(file('a.pem', a.cert), file('a.key', a.key));
    await certificates.adopt([listener({ certificates: [one] })]);
    const before = Buffer.from(last()?.ticketKeys ?? []);
    clock.advance(1e6);
    expect(told.length).toBeGreaterThan(1);
    expect(before.equals(last()?.ticketKeys ?? before)).toBe(false);
    const tickets = { file: file('tickets', Buffer.alloc(48, 1)), rotateMs: 1e6 };
    await certificates.adopt([listener({ certificates: [one], tickets })]);
    expect(Buffer.from(last()?.ticketKeys ?? [])).toEqual(Buffer.alloc(48, 1));
    file('tickets', Buffer.alloc(48, 2));
    await look();
    expect(Buffer.from(last()?.ticketKeys ?? [])).toEqual(Buffer.alloc(48, 2));
    file('tickets', Buffer.alloc(47, 3));
    await look();
    expect(Buffer.from(last()?.ticketKeys ?? [])).toEqual(Buffer.alloc(48, 2));
  });

  it('are watched no more when the listener is gone', async () => {
    const one = files(file('a.pem', a.cert), file('a.key', a.key));
    await certificates.adopt([listener({ certificates: [one] })]);
    await certificates.adopt([]);
    expect(certificates.status().certificates).toEqual([]);
  });
});
