/**
 * Certificates from an ACME authority: a real one (pebble) proves the names at the gateway.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { InProcessGateway } from '../support/in-process-gateway.js';
import { describeUnless } from '../support/not-run.js';
import { freePorts, PEBBLE_MISSING, Pebble } from '../support/pebble.js';

let stateDir = '';
let pebble: Pebble;
let gateway: InProcessGateway | null = null;
let httpPort = 0;
let tlsPort = 0;

async function start(challenge: string, names: readonly string[]): Promise<void> {
  const { directory, directoryCa } = pebble;
  const acme = { email: 'ops@example.com', names, challenge, directory, directoryCa };
  gateway = await InProcessGateway.start({
    listen: [
      { name: 'plain', port: httpPort, engine: 'wire' },
      { name: 'secure', port: tlsPort, engine: 'wire', tls: { acme } },
    ],
    stateDir: join(stateDir, 'state'),
    upstreams: { api: { targets: [{ url: 'http://127.0.0.1:9' }] } },
    routes: [{ name: 'all', match: { path: '/*' }, respond: { status: 204 } }],
  });
}

/** Who has issued what the listener shows, or why it shows nothing. */
function issuer(servername: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port: tlsPort, servername, rejectUnauthorized: false });
    socket.once('secureConnect', () => {
      resolve(socket.getPeerX509Certificate()?.issuer ?? '');
      socket.destroy();
    });
    socket.once('error', (error) => resolve(error.message));
  });
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

async function stats(): Promise<string> {
  const { port = 0 } = gateway?.gateway.adminAddress ?? {};
  return (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
}

describeUnless(PEBBLE_MISSING, 'certificates by ACME', () => {
  beforeEach(async () => {
    stateDir = mkdtempSync(join(tmpdir(), 'sluice-acme-'));
    [httpPort = 0, tlsPort = 0] = await freePorts(2);
    pebble = await Pebble.start(httpPort, tlsPort);
  });

  afterEach(async () => {
    await gateway?.stop();
    gateway = null;
    await pebble.stop();
    rmSync(stateDir, { recursive: true });
  });

  it.each(['http-01', 'tls-alpn-01'])(
    'are issued by %s and outlive the authority',
    async (type) => {
      const names = [`a.${type}.test`, `b.${type}.test`];
      await start(type, names);
      for (const name of names) {
        await eventually(`a certificate for ${name}`, async () =>
          (await issuer(name)).includes('Pebble'),
        );
      }
      expect(await stats()).toContain('gateway_acme_orders_total{outcome="issued"} 1');
      const files = filesIn(stateDir);
      expect(files).toHaveLength(2);
      for (const file of files) expect(statSync(file).mode & 0o777).toBe(0o600);
      expect(statSync(join(stateDir, 'state')).mode & 0o777).toBe(0o700);
      // Tokens of orders that are over are no business of the gateway's.
      const url = `http://127.0.0.1:${httpPort}/.well-known/acme-challenge/x`;
      expect((await fetch(url)).status).toBe(204);

      await gateway?.stop();
      await pebble.kill();
      await start(type, names);
      expect(await issuer(names[0] ?? '')).toContain('Pebble');
    },
  );

  it('are tried again later when the authority cannot be had', async () => {
    await pebble.kill();
    await start('http-01', ['late.test']);
    await eventually('the order has failed', async () =>
      (await stats()).includes('gateway_acme_orders_total{outcome="failed"} 1'),
    );
    expect(await issuer('late.test')).toMatch(/unrecognized name/);
  });
});
