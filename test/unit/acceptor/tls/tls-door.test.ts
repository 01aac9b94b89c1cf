import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectPlain, type Socket } from 'node:net';
import { type ConnectionOptions, connect } from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { alternativeNames } from '../../../../src/acceptor/tls/certificate-facts.js';
import { CROWD_MIN, STARTS_PER_TURN } from '../../../../src/acceptor/tls/tls-door.js';
import { readCertificate } from '../../../../src/base/client-certificate.js';
import { connectionFacts } from '../../../../src/channel/records/request-head.js';
import type { TlsMaterial } from '../../../../src/channel/tls-material.js';
import { helloOf } from '../../../support/client-hello.js';
import { eventually } from '../../../support/eventually.js';
import { FakeClock } from '../../../support/fake-clock.js';
import { TestAuthority } from '../../../support/test-authority.js';
import { certificateOf, materialOf, TlsDoorRig } from '../../../support/tls-door-rig.js';

const run = promisify(execFile);
const authority = new TestAuthority();
const other = new TestAuthority('Another');
afterAll(() => {
  authority.remove();
  other.remove();
});

const ec = (name: string) => authority.sign({ names: `DNS:${name}`, subject: `/CN=${name}` });
const rsa = (name: string) =>
  authority.sign({ names: `DNS:${name}`, subject: `/CN=${name}`, kind: 'rsa' });

const A = certificateOf(['a.test'], [ec('a.test'), rsa('a.test')]);
const B = certificateOf(['b.test'], [rsa('b.test')]);
const C = certificateOf(['c.test'], [ec('c.test')]);
const WILD = certificateOf(['*.wild.test'], [ec('*.wild.test')]);
const CERTIFICATES = [A, B, C, WILD];

let rigs: TlsDoorRig[] = [];
afterEach(async () => {
  await Promise.all(rigs.map((rig) => rig.close()));
  rigs = [];
});

async function open(material: TlsMaterial, clock?: FakeClock, introBytes = 0): Promise<TlsDoorRig> {
  const rig = await TlsDoorRig.open(material, { clock, introBytes });
  rigs.push(rig);
  return rig;
}

/** Connects, and waits for the first bytes, by which a ticket has come too; or for the end. */
async function visit(
  rig: TlsDoorRig,
  servername: string,
  options: ConnectionOptions = {},
): Promise<{ readonly outcome: string; readonly cn: string; readonly session: Buffer | null }> {
  const rejectUnauthorized = false;
  const name = servername === '' ? {} : { servername };
  const socket = connect({
    port: rig.port,
    host: '127.0.0.1',
    rejectUnauthorized,
    ...name,
    ...options,
  });
  let session: Buffer | null = null;
  socket.on('session', (ticket) => {
    session = ticket;
  });
  const outcome = await new Promise<string>((done) => {
    socket.once('data', (bytes) => done(bytes.toString()));
    socket.once('error', (error) => done('code' in error ? String(error.code) : error.message));
    socket.once('close', () => done('closed'));
  });
  // Node tells of a ticket in a turn of its own.
  if (outcome === 'hello') await Promise.all([once(socket, 'data'), socket.write('more')]);
  const cn = String(socket.getPeerX509Certificate()?.subject ?? '').replace('CN=', '');
  socket.destroy();
  return { outcome, cn, session };
}

/** Hellos that wait for their turn. */
function queued({ door }: TlsDoorRig): number {
  return Number(Reflect.get(door, 'waitingCount'));
}

/** What s_client says; it ends when the server closes the connection. */
async function openssl(rig: TlsDoorRig, ...options: readonly string[]): Promise<string> {
  const address = ['s_client', '-connect', `127.0.0.1:${rig.port}`, '-ign_eof'];
  const running = run('openssl', [...address, ...options], { timeout: 10_000 }).catch(
    // It ends with 1 when the handshake fails; what it says stands in the error.
    (failed: { readonly stdout: string; readonly stderr: string }) => failed,
  );
  await eventually('the connection is through or refused', () => rig.events.length > 0);
  for (const raw of rig.raws) raw.end();
  const { stdout, stderr } = await running;
  return String(stdout) + String(stderr);
}

describe('the certificate', () => {
  const versions = ['tls1_2', 'tls1_3'];
  const wants = { any: [], rsa: ['-sigalgs', 'RSA-PSS+SHA256'], ec: ['-sigalgs', 'ECDSA+SHA256'] };
  const table: [string, string, keyof typeof wants, string][] = versions.flatMap((version) => [
    [version, 'a.test', 'any', 'ECDSA'],
    [version, 'a.test', 'rsa', 'RSA-PSS'],
    [version, 'a.test', 'ec', 'ECDSA'],
    [version, 'b.test', 'any', 'RSA-PSS'],
    [version, 'b.test', 'rsa', 'RSA-PSS'],
    [version, 'b.test', 'ec', 'failure'],
    [version, 'c.test', 'any', 'ECDSA'],
    [version, 'c.test', 'rsa', 'failure'],
    [version, 'c.test', 'ec', 'ECDSA'],
  ]);

  it.each(table)('%s, %s, for clients of %s keys: %s', async (version, name, want, expected) => {
    const rig = await open(materialOf(CERTIFICATES));
    const text = await openssl(rig, `-${version}`, '-servername', name, ...wants[want]);
    if (expected === 'failure') expect(text).toContain('alert handshake failure');
    else {
      expect(text).toContain(`subject=CN = ${name}`);
      expect(text).toContain(`Peer signature type: ${expected}`);
    }
  });

  it.each([
    ['A.TEST', 'a.test'],
    ['b.test.', 'b.test'],
    ['x.wild.test', '*.wild.test'],
    ['wild.test', 'a.test'],
    ['y.x.wild.test', 'a.test'],
    ['unknown.test', 'a.test'],
    ['', 'a.test'],
  ])('for "%s" is that of %s', async (asked, expected) => {
    const rig = await open(materialOf(CERTIFICATES));
    expect(await visit(rig, asked)).toMatchObject({ outcome: 'hello', cn: expected });
  });

  it('is none for unknown names where there is no fallback', async () => {
    const rig = await open(materialOf(CERTIFICATES, {}, { fallback: -1 }));
    const { outcome } = await visit(rig, 'unknown.test');
    expect(outcome).toBe('ERR_SSL_TLSV1_UNRECOGNIZED_NAME');
    expect(rig.events).toEqual([{ kind: 'failed', failure: 'unknown name', detail: '' }]);
    expect(await visit(rig, '')).toMatchObject({ outcome: 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME' });
    expect(await visit(rig, 'b.test')).toMatchObject({ outcome: 'hello', cn: 'b.test' });
  });

  it('carries a staple for clients that ask for one', async () => {
    const staple = Buffer.from('not read by the gateway');
    const pair = ec('a.test');
    const rig = await open(materialOf([certificateOf(['a.test'], [pair], staple)]));
    const socket = connect({
      ...{ port: rig.port, servername: 'a.test', rejectUnauthorized: false, requestOCSP: true },
    });
    const [response] = await once(socket, 'OCSPResponse');
    expect(response).toEqual(staple);
    socket.destroy();
  });

  it('proves a name to an ACME server, and to nobody else', async () => {
    const challenge = certificateOf(['a.test'], [ec('proof.test')]);
    const rig = await open(materialOf([A], {}, { challenges: [challenge] }));
    const socket = connect({
      ...{ port: rig.port, servername: 'a.test', rejectUnauthorized: false },
      ALPNProtocols: ['acme-tls/1'],
    });
    await once(socket, 'secureConnect');
    expect(socket.alpnProtocol).toBe('acme-tls/1');
    expect(socket.getPeerX509Certificate()?.subject).toBe('CN=proof.test');
    await once(socket.resume(), 'close');
    expect(rig.events).toEqual([{ kind: 'failed', failure: 'challenge', detail: '' }]);
    expect(await visit(rig, 'a.test')).toMatchObject({ outcome: 'hello', cn: 'a.test' });
    const { outcome } = await visit(rig, 'b.test', { ALPNProtocols: ['acme-tls/1'] });
    expect(outcome).toBe('ERR_SSL_TLSV1_UNRECOGNIZED_NAME');
  });

  it('is another one after adopt(), and open connections go on', async () => {
    const rig = await open(materialOf([A]));
    const early = connect({ port: rig.port, servername: 'a.test', rejectUnauthorized: false });
    await once(early, 'data');
    rig.door.adopt(materialOf([certificateOf(['a.test'], [ec('new.test')])]));
    expect(await visit(rig, 'a.test')).toMatchObject({ outcome: 'hello', cn: 'new.test' });
    early.write('still here');
    const [bytes] = await once(early, 'data');
    expect(String(bytes)).toBe('still here');
    early.destroy();
  });
});

describe('what a connection is told to have', () => {
  it('is its name and protocol', async () => {
    const rig = await open(materialOf(CERTIFICATES));
    await visit(rig, 'B.test', { ALPNProtocols: ['h2', 'http/1.1'] });
    await visit(rig, '');
    expect(rig.events.map((event) => event.kind === 'secure' && event.facts)).toEqual([
      { connection: 'https\tb.test\t', protocol: 'http/1.1', serverName: 'b.test' },
      { connection: 'https\t\t', protocol: '', serverName: '' },
    ]);
  });

  it('is no protocol that the listener has not', async () => {
    const rig = await open(materialOf(CERTIFICATES));
    const { outcome } = await visit(rig, 'a.test', { ALPNProtocols: ['h3'] });
    expect(outcome).toBe('ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL');
  });

  it.each<[string, ConnectionOptions]>([
    ['TLS 1.1', { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'ALL@SECLEVEL=0' }],
    ['a cipher without forward secrecy', { maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA256' }],
  ])('is not %s', async (_, options) => {
    const rig = await open(materialOf(CERTIFICATES));
    expect((await visit(rig, 'b.test', options)).outcome).toMatch(/ALERT/);
    expect(rig.events).toMatchObject([{ kind: 'failed', failure: 'protocol' }]);
  });
});

describe('a session', () => {
  const versions = ['TLSv1.2', 'TLSv1.3'] as const;

  async function resumes(
    rig: TlsDoorRig,
    [first, then]: readonly [string, string],
    options: ConnectionOptions,
  ): Promise<boolean> {
    const { session } = await visit(rig, first, options);
    if (session === null) return false;
    await visit(rig, then, { ...options, session });
    const last = rig.events.at(-1);
    return last?.kind === 'secure' && last.isResumed;
  }

  it.each(versions)('of %s is resumed under its name, in other processes too', async (version) => {
    const options = { minVersion: version, maxVersion: version };
    const [rig, second] = [
      await open(materialOf(CERTIFICATES)),
      await open(materialOf(CERTIFICATES)),
    ];
    expect(await resumes(rig, ['a.test', 'a.test'], options)).toBe(true);
    const { session } = await visit(rig, 'a.test', options);
    await visit(second, 'a.test', { ...options, session: session ?? Buffer.alloc(0) });
    expect(second.events.at(-1)).toMatchObject({ kind: 'secure', isResumed: true });
  });

  it.each(versions)(
    'of %s is not resumed under the name of another certificate',
    async (version) => {
      const rig = await open(materialOf(CERTIFICATES));
      const options = { minVersion: version, maxVersion: version };
      expect(await resumes(rig, ['a.test', 'b.test'], options)).toBe(false);
    },
  );

  it.each(versions)('of %s ends when the keys of tickets change', async (version) => {
    const rig = await open(materialOf(CERTIFICATES));
    const options = { minVersion: version, maxVersion: version };
    const { session } = await visit(rig, 'a.test', options);
    rig.door.adopt(materialOf(CERTIFICATES, {}, { ticketKeys: Buffer.alloc(48, 8) }));
    await visit(rig, 'a.test', { ...options, session: session ?? Buffer.alloc(0) });
    expect(rig.events.at(-1)).toMatchObject({ kind: 'secure', isResumed: false });
    expect(await resumes(rig, ['a.test', 'a.test'], options)).toBe(true);
  });

  it.each(versions)('of %s never carries a client certificate to another name', async (version) => {
    const both = certificateOf(['a.test', 'b.test', '*.c.test'], [ec('a.test')]);
    const clientCertificates = {
      mode: 'request' as const,
      ca: authority.cert,
      crl: '',
      bundles: null,
    };
    const rig = await open(materialOf([both], { clientCertificates }));
    const client = authority.sign({ names: 'URI:spiffe://test/billing' });
    const options = { minVersion: version, maxVersion: version, ...client };
    expect(await resumes(rig, ['a.test', 'a.test'], options)).toBe(true);
    const last = rig.events.at(-1);
    // The certificate is known on a resumed connection too.
    const { certificate } = connectionFacts(last?.kind === 'secure' ? last.facts.connection : '');
    expect(readCertificate(certificate)?.uris).toEqual(['spiffe://test/billing']);
    expect(await resumes(rig, ['a.test', 'b.test'], options)).toBe(false);
    expect(await resumes(rig, ['a.test', 'unknown.test'], options)).toBe(false);
    expect(await resumes(rig, ['x.c.test', 'y.c.test'], options)).toBe(false);
    expect(await resumes(rig, ['unknown.test', 'more.test'], options)).toBe(false);
  });

  it.each(versions)('of %s ends when the list of revoked certificates changes', async (version) => {
    const rule = {
      mode: 'require' as const,
      ca: authority.cert,
      crl: authority.revoke(),
      bundles: null,
    };
    const rig = await open(materialOf(CERTIFICATES, { clientCertificates: rule }));
    const client = authority.sign({});
    const options = { minVersion: version, maxVersion: version, ...client };
    const { session, outcome } = await visit(rig, 'a.test', options);
    expect(outcome).toBe('hello');
    const crl = authority.revoke(client.cert);
    rig.door.adopt(materialOf(CERTIFICATES, { clientCertificates: { ...rule, crl } }));
    await visit(rig, 'a.test', { ...options, session: session ?? Buffer.alloc(0) });
    const failed = { kind: 'failed', failure: 'client certificate', detail: 'CERT_REVOKED' };
    expect(rig.events.at(-1)).toEqual(failed);
  });
});

describe('a client certificate', () => {
  const rule = { ca: authority.cert, crl: '', bundles: null };
  const request = { clientCertificates: { ...rule, mode: 'request' as const } };
  const require = { clientCertificates: { ...rule, mode: 'require' as const } };

  it('says who the client is', async () => {
    const client = authority.sign({
      subject: '/O=Größe, Inc/CN=billing',
      names: 'DNS:b.test,URI:spiffe://test/ns,email:a@b.test,IP:127.0.0.1',
    });
    const rig = await open(materialOf(CERTIFICATES, require));
    expect(await visit(rig, 'a.test', client)).toMatchObject({ outcome: 'hello' });
    const [event] = rig.events;
    const { connection } = event?.kind === 'secure' ? event.facts : { connection: '' };
    expect(connection).toMatch(/^https\ta\.test\t[ -~]+$/);
    expect(readCertificate(connectionFacts(connection).certificate)).toMatchObject({
      subject: 'CN=billing,O=Größe\\, Inc',
      issuer: 'CN=Sluice test authority',
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      serial: expect.stringMatching(/^[0-9A-F]+$/),
      dns: ['b.test'],
      uris: expect.arrayContaining(['spiffe://test/ns']),
      emails: ['a@b.test'],
    });
  });

  it('may be missing where it is only requested', async () => {
    const rig = await open(materialOf(CERTIFICATES, request));
    expect(await visit(rig, 'a.test')).toMatchObject({ outcome: 'hello' });
    expect(rig.events).toMatchObject([{ facts: { connection: 'https\ta.test\t' } }]);
  });

  const versions = ['TLSv1.2', 'TLSv1.3'] as const;
  it.each(versions)('may not be missing where it is required (%s)', async (version) => {
    const rig = await open(materialOf(CERTIFICATES, require));
    const { outcome } = await visit(rig, 'a.test', { minVersion: version, maxVersion: version });
    expect(outcome).not.toBe('hello');
    await eventually('rig.events.length === 1', () => rig.events.length === 1);
    expect(rig.events).toMatchObject([{ kind: 'failed', failure: 'client certificate' }]);
  });

  it.each([
    ['requested', 'of another authority', request, () => other.sign({})],
    ['required', 'of another authority', require, () => other.sign({})],
    ['requested', 'that expired', request, () => authority.sign({ days: -1 })],
    ['required', 'that expired', require, () => authority.sign({ days: -1 })],
  ])('%s is refused: one %s', async (_, __, settings, make) => {
    const rig = await open(materialOf(CERTIFICATES, settings));
    expect((await visit(rig, 'a.test', make())).outcome).not.toBe('hello');
    await eventually('rig.events.length === 1', () => rig.events.length === 1);
    expect(rig.events).toMatchObject([{ kind: 'failed', failure: 'client certificate' }]);
  });

  it('is refused with more names than anybody has', async () => {
    const names = Array.from({ length: 400 }, (_, at) => `DNS:name-number-${at}.example`).join();
    const rig = await open(materialOf(CERTIFICATES, request));
    expect((await visit(rig, 'a.test', authority.sign({ names }))).outcome).not.toBe('hello');
    expect(rig.events).toMatchObject([{ failure: 'client certificate' }]);
  });

  it('has names that cannot be mistaken for others', () => {
    const names = { dns: ['a.test'], uris: ['http://x/", DNS:evil.test'], emails: [] };
    const quoted = `URI:${JSON.stringify(names.uris[0])}`;
    expect(alternativeNames(`DNS:a.test, IP Address:::1, ${quoted}`)).toEqual(names);
    expect(alternativeNames('')).toEqual({ dns: [], uris: [], emails: [] });
  });
});

describe('the door', () => {
  async function raw(rig: TlsDoorRig): Promise<Socket> {
    const socket = connectPlain(rig.port, '127.0.0.1');
    socket.on('error', () => {});
    await once(socket, 'connect');
    return socket;
  }

  it('tells clients of plain HTTP that they are wrong here', async () => {
    const rig = await open(materialOf(CERTIFICATES));
    const socket = await raw(rig);
    socket.write('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
    const [bytes] = await once(socket, 'data');
    expect(String(bytes)).toMatch(/^HTTP\/1\.1 400 .*https:\/\/\.\n$/s);
    expect(rig.events).toEqual([{ kind: 'failed', failure: 'not TLS', detail: '' }]);
  });

  it.each([
    ['sends nothing', async () => {}],
    ['sends a byte', async (socket: Socket) => void socket.write(Buffer.from([22]))],
  ])('closes on a client that %s in time', async (_, act) => {
    const clock = new FakeClock();
    const rig = await open(materialOf(CERTIFICATES, { handshakeMs: 5000 }), clock);
    const socket = await raw(rig);
    await act(socket);
    await eventually('rig.door.figures.waiting === 1', () => rig.door.figures.waiting === 1);
    clock.advance(5001);
    await once(socket.resume(), 'close');
    expect(rig.events).toEqual([{ kind: 'failed', failure: 'timeout', detail: '' }]);
  });

  it('closes on a client that stops in the middle of the handshake', async () => {
    const clock = new FakeClock();
    const rig = await open(materialOf(CERTIFICATES, { handshakeMs: 5000 }), clock);
    const socket = await raw(rig);
    socket.write(await helloOf({ servername: 'a.test' }));
    await eventually('the handshake began', () => {
      clock.endTurn();
      return rig.door.figures.open === 1;
    });
    clock.advance(5001);
    await once(socket.resume(), 'close');
    expect(rig.events).toEqual([{ kind: 'failed', failure: 'timeout', detail: '' }]);
    expect(rig.door.figures).toEqual({ waiting: 0, open: 0 });
  });

  it.each(['end', 'resetAndDestroy'] as const)(
    'lets go at once of a client that leaves in the middle of the handshake by %s()',
    async (leave) => {
      const rig = await open(materialOf(CERTIFICATES));
      const socket = await raw(rig);
      socket.write(await helloOf({ servername: 'a.test' }));
      await eventually('the handshake began', () => rig.door.figures.open === 1);
      socket[leave]();
      await eventually('it is over', () => rig.door.figures.open === 0, 5000);
      expect(rig.events).toMatchObject([{ kind: 'failed', failure: 'gone' }]);
      await eventually('its socket is closed', () => rig.raws.size === 0);
    },
  );

  it('tells of each connection once, whatever becomes of it', async () => {
    const rig = await open(materialOf(CERTIFICATES));
    for (let cut = 0; cut < 40; cut += 1) {
      const socket = await raw(rig);
      socket.write(Buffer.concat([Buffer.from([22, 3, 1, 0, 200, 1]), Buffer.alloc(cut * 6)]));
      if (cut % 2 === 0) socket.resetAndDestroy();
      else socket.end();
    }
    await eventually('rig.events.length === 40', () => rig.events.length === 40);
    await eventually('rig.raws.size === 0', () => rig.raws.size === 0);
    expect(rig.door.figures).toEqual({ waiting: 0, open: 0 });
    expect(rig.errors).toEqual([]);
  });

  it('is not kept shut by clients that only begin', async () => {
    const rig = await TlsDoorRig.open(materialOf(CERTIFICATES), { openMax: 2 });
    rigs.push(rig);
    const hello = await helloOf({ servername: 'a.test' });
    for (let count = 1; count <= 3; count += 1) (await raw(rig)).write(hello);
    await eventually('two are under way, and one waits', () => {
      const { open: underWay, waiting } = rig.door.figures;
      return underWay === 2 && waiting === 1;
    });
    expect(await visit(rig, 'a.test')).toMatchObject({ outcome: 'hello' });
    const failures = rig.events.filter(({ kind }) => kind === 'failed');
    expect(failures.length).toBeGreaterThanOrEqual(2);
    expect(failures[0]).toMatchObject({ failure: 'overload' });
  });

  it('takes the newest first where a crowd waits, and forgets nobody', async () => {
    const clock = new FakeClock();
    const rig = await open(materialOf(CERTIFICATES), clock);
    const hello = await helloOf({ servername: 'a.test' });
    const answered: number[] = [];
    const sockets: Socket[] = [];
    for (let at = 0; at < CROWD_MIN + 4; at += 1) {
      const socket = await raw(rig);
      socket.once('data', () => answered.push(at));
      socket.write(hello);
      sockets.push(socket);
      await eventually('it waits for its turn', () => queued(rig) === at + 1);
    }
    const last = sockets.length - 1;
    clock.endTurn();
    await eventually('two are answered', () => answered.length === STARTS_PER_TURN);
    expect(answered.sort()).toEqual([last - 1, last]);
    // Those who leave meanwhile take no turn.
    for (const socket of sockets.slice(0, 3)) socket.destroy();
    await eventually('they are gone', () => rig.events.length === 3);
    while (clock.hasTurn) clock.endTurn();
    await eventually('all are answered', () => answered.length === sockets.length - 3);
    expect(queued(rig)).toBe(0);
    for (const socket of sockets) socket.destroy();
  });

  it('refuses the oldest where too many wait', async () => {
    const waitingMax = 5;
    const clock = new FakeClock();
    const rig = await TlsDoorRig.open(materialOf(CERTIFICATES), { clock, waitingMax });
    rigs.push(rig);
    const hello = await helloOf({ servername: 'a.test' });
    const first = await raw(rig);
    const closed = once(first.resume(), 'close');
    first.write(hello);
    await eventually('it waits', () => queued(rig) === 1);
    const others = await Promise.all(Array.from({ length: waitingMax }, () => raw(rig)));
    for (const socket of others) socket.write(hello);
    await eventually('one is refused', () => rig.events.length > 0);
    expect(rig.events).toEqual([{ kind: 'failed', failure: 'overload', detail: '' }]);
    await closed;
    expect(queued(rig)).toBe(waitingMax);
    for (const socket of others) socket.destroy();
  });

  it('lets in hundreds that come at once', async () => {
    const rig = await open(materialOf(CERTIFICATES));
    const visits = await Promise.all(
      Array.from({ length: 200 }, (_, at) =>
        visit(rig, ['a.test', 'b.test', 'c.test'][at % 3] ?? ''),
      ),
    );
    expect(new Set(visits.map(({ outcome }) => outcome))).toEqual(new Set(['hello']));
    expect(rig.door.figures).toEqual({ waiting: 0, open: 0 });
  });

  it('closes those that are not through yet when it closes', async () => {
    const rig = await open(materialOf(CERTIFICATES));
    const socket = await raw(rig);
    await eventually('rig.door.figures.waiting === 1', () => rig.door.figures.waiting === 1);
    rig.door.close();
    await once(socket.resume(), 'close');
    expect(rig.events).toEqual([{ kind: 'failed', failure: 'closing', detail: '' }]);
  });

  it('takes what was read before it and put back', async () => {
    const rig = await open(materialOf(CERTIFICATES), undefined, 4);
    const socket = await raw(rig);
    socket.write(Buffer.concat([Buffer.from('1234'), await helloOf({ servername: 'a.test' })]));
    const [bytes] = await once(socket, 'data');
    // A ServerHello.
    expect([...bytes.subarray(0, 3)]).toEqual([22, 3, 3]);
    socket.destroy();
  });

  it('says so when OpenSSL does not take a certificate', async () => {
    const pair = { cert: ec('a.test').cert, key: ec('b.test').key };
    const rig = await open(materialOf([certificateOf(['a.test'], [pair])]));
    await visit(rig, 'a.test');
    expect(rig.events).toMatchObject([{ failure: 'internal' }]);
    expect(String(rig.errors[0])).toMatch(/key values mismatch/);
  });

  it('does not take part in renegotiation', async () => {
    const rig = await open(materialOf(CERTIFICATES));
    const client = connect({
      ...{ port: rig.port, servername: 'a.test', rejectUnauthorized: false, maxVersion: 'TLSv1.2' },
    });
    client.on('error', () => {});
    await once(client, 'data');
    const error = await new Promise<Error | null>((done) => {
      client.once('close', () => done(new Error('closed')));
      client.renegotiate({ rejectUnauthorized: false }, done);
      client.write('wake');
    });
    expect(error).toBeInstanceOf(Error);
    client.destroy();
  });
});
