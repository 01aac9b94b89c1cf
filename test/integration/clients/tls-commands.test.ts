/**
 * Clients of the command line that do more with TLS than ask for a page: versions, certificates of
 * their own, sessions, staples, PROXY headers.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { SERVER_NAME } from '../../support/client-files.js';
import { ClientRig, DOORS, sha256 } from '../../support/client-rig.js';
import { type ProgramResult, runProgram } from '../../support/programs.js';
import { makeCertificate } from '../../support/test-certificate.js';

const UPLOAD = Buffer.alloc(3_000_000, 'Sluice');

let rig: ClientRig;
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-tls-clients-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

function file(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function curl(...args: readonly string[]): Promise<ProgramResult> {
  return runProgram('curl', ['-s', '-S', ...args], { env: rig.files.trust });
}

/** Asks for a page by `openssl s_client`, which says what it saw of the handshake. */
function openssl(...args: readonly string[]): Promise<ProgramResult> {
  return runProgram(
    'openssl',
    [
      ...['s_client', '-connect', `127.0.0.1:${rig.port}`, '-CAfile', rig.files.ca, '-ign_eof'],
      ...['-servername', SERVER_NAME, '-verify_hostname', SERVER_NAME, '-verify_return_error'],
      ...args,
    ],
    { input: `GET /s HTTP/1.1\r\nHost: ${SERVER_NAME}\r\nConnection: close\r\n\r\n` },
  );
}

describe('a listener with TLS', () => {
  beforeAll(async () => {
    rig = await ClientRig.start('tls');
  });

  afterAll(() => rig.stop());

  beforeEach(() => rig.reset());

  it.each([
    ['TLSv1.2', ['--tls-max', '1.2']],
    ['TLSv1.3', ['--tlsv1.3']],
    ['TLSv1.3', ['--tls-max', '1.3']],
  ])('speaks %s with curl %j, and has a staple', async (version, args) => {
    const at = ['--resolve', `${SERVER_NAME}:${rig.port}:127.0.0.1`, '--cert-status', '-v'];
    const url = `https://${SERVER_NAME}:${rig.port}/named`;
    const { code, stdout, stderr } = await curl(...args, ...at, url);
    expect([code, stderr]).toEqual([0, expect.stringContaining(`connection using ${version}`)]);
    expect(stderr).toContain('ALPN: server accepted h2');
    expect(JSON.parse(stdout)).toMatchObject({ line: 'GET /named', scheme: 'https' });
  });

  it('refuses older versions, in words that clients understand', async () => {
    const old = ['-tls1_1', '-cipher', 'DEFAULT@SECLEVEL=0'];
    const { code, stdout, stderr } = await openssl(...old);
    expect(code).not.toBe(0);
    expect(stdout + stderr).toMatch(/alert protocol version/);
    expect(rig.upstream.received).toEqual([]);
  });

  it('agrees on HTTP/2 with clients that offer it, and else on HTTP/1.1', async () => {
    const old = await openssl('-alpn', 'http/1.1', '-status');
    expect(old.stdout).toContain('ALPN protocol: http/1.1');
    expect(old.stdout).toContain('OCSP Response Status: successful');
    expect(old.stdout).toContain('Verification: OK');
    expect(old.stdout).toContain('HTTP/1.1 200 OK');
    const both = await openssl('-alpn', 'http/1.1,h2');
    expect(both.stdout).toContain('ALPN protocol: h2');
    const other = await openssl('-alpn', 'h3');
    expect(other.stdout + other.stderr).toMatch(/alert no application protocol/);
  });

  it.each(['-tls1_2', '-tls1_3'])('takes sessions up again, %s', async (version) => {
    const session = join(folder, `session${version}`);
    const first = await openssl(version, '-sess_out', session);
    expect(first.stdout).toMatch(/^New, TLSv1/m);
    const second = await openssl(version, '-sess_in', session);
    expect(second.stdout).toMatch(/^Reused, TLSv1/m);
    expect(second.stdout).toContain('HTTP/1.1 200 OK');
  });

  it('takes a session up five times in a row', async () => {
    const { code, stdout } = await openssl('-tls1_2', '-reconnect');
    expect([code, stdout.match(/^Reused, TLSv1.2/gm)?.length]).toEqual([0, 5]);
    expect(stdout).toContain('HTTP/1.1 200 OK');
  });

  it('says how to call it to who speaks HTTP in clear', async () => {
    const { code, stdout } = await curl('-w', '%{http_code}', `http://127.0.0.1:${rig.port}/`);
    expect([code, stdout]).toEqual([0, expect.stringContaining('https://')]);
    expect(stdout).toMatch(/400$/);
    expect(rig.upstream.received).toEqual([]);
    expect((await curl(`${rig.url}/after`)).code).toBe(0);
  });
});

describe.each(['request', 'require'] as const)('client certificates, mode %s', (mode) => {
  beforeAll(async () => {
    rig = await ClientRig.start('tls', { clientCertificates: mode });
  });

  afterAll(() => rig.stop());

  beforeEach(() => rig.reset());

  it.each(['1.2', '1.3'])('of curl, TLS %s', async (version) => {
    const { client } = rig.files;
    const upload = file('upload', UPLOAD);
    const own = ['--tls-max', version, '--cert', client.cert, '--key', client.key, '-T', upload];
    const { code, stdout, stderr } = await curl(...own, `${rig.url}/mine`);
    expect([code, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toMatchObject({ line: 'PUT /mine', sha256: sha256(UPLOAD) });
  });

  it.each(['1.2', '1.3'])('of a stranger are refused, TLS %s', async (version) => {
    const { cert, key } = makeCertificate();
    const strange = ['--cert', file('strange.pem', cert), '--key', file('strange.key', key)];
    const { code, stdout } = await curl('--tls-max', version, ...strange, `${rig.url}/a`);
    expect([code === 0, stdout]).toEqual([false, '']);
    expect(rig.upstream.received).toEqual([]);
  });

  it.each(['1.2', '1.3'])('are missed where they are required, TLS %s', async (version) => {
    const { code, stderr } = await curl('--tls-max', version, `${rig.url}/a`);
    if (mode === 'request') expect([code, stderr]).toEqual([0, '']);
    // How curl words it depends on how far it has come when the connection closes.
    else expect([code === 0, stderr === '', rig.upstream.received]).toEqual([false, false, []]);
  });
});

describe.each(DOORS)('a PROXY header of curl, %s', (door) => {
  beforeAll(async () => {
    const listen = { proxyProtocol: 'v1', trustedProxies: ['127.0.0.0/8'] };
    rig = await ClientRig.start(door, { listen });
  });

  afterAll(() => rig.stop());

  it('stands before everything else', async () => {
    rig.reset();
    const from = ['--haproxy-protocol', '--interface', '127.0.0.9'];
    const upload = file('upload', UPLOAD);
    const { code, stdout } = await curl(...from, '-T', upload, `${rig.url}/up`);
    const echo = { line: 'PUT /up', client: '127.0.0.9', sha256: sha256(UPLOAD) };
    expect([code, JSON.parse(stdout)]).toMatchObject([0, echo]);
    expect((await curl(`${rig.url}/without`)).code).not.toBe(0);
    expect(rig.upstream.received).toHaveLength(1);
  });
});
