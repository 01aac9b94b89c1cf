/** A reload that is tried by some workers, or by some requests, before it comes into force. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommandLine } from '../../src/cli/command-line.js';
import { freePort } from '../support/client-rig.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { makeCertificate } from '../support/test-certificate.js';
import { capturedIo } from '../unit/cli/captured-io.js';

const TOKEN = 'a-token-of-the-admin';
const CLIENTS = 8;

let upstream: FakeUpstream;
/** Files of certificates, by the name in them. */
const files = mkdtempSync(join(tmpdir(), 'sluice-canary-tls-'));
let tlsPort: number;
let certificate = 'old.test';

beforeAll(async () => {
  for (const name of ['old.test', 'new.test']) {
    const { cert, key } = makeCertificate(`DNS:${name}`);
    writeFileSync(join(files, `${name}.cert`), cert);
    writeFileSync(join(files, `${name}.key`), key, { mode: 0o600 });
  }
  upstream = await FakeUpstream.start();
  upstream.script = (_, response) => void response.end('ok');
});
afterAll(async () => {
  await upstream.close();
  rmSync(files, { recursive: true });
});

/** The name in the certificate that clients are shown. */
function shownName(): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: tlsPort, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().subjectaltname);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

function configuration(workers: number, path: string, more: object = {}): object {
  return {
    listen: [
      { name: 'plain', port: 0 },
      {
        ...{ name: 'tls', port: tlsPort, engine: 'wire' },
        tls: {
          certificates: [
            { cert: join(files, `${certificate}.cert`), key: join(files, `${certificate}.key`) },
          ],
        },
      },
    ],
    admin: { port: 0, token: TOKEN },
    workers,
    stateDir: './state',
    reload: {
      watch: false,
      canary: { for: '3s', percent: 50, rollback: { minRequests: 20 } },
    },
    upstreams: { api: { targets: [{ url: upstream.url }] } },
    routes: [{ name: 'api', match: { path }, upstream: 'api', ...more }],
  };
}

describe.each([1, 3])('with %i workers', (workers) => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-canary-'));
  let gateway: GatewayProcess;
  let isAsking = true;
  const statuses = new Map<number, number>();
  let clients: Promise<unknown>;

  beforeAll(async () => {
    tlsPort = await freePort();
    certificate = 'old.test';
    const first = { ...configuration(workers, '/*'), stateDir: folder };
    gateway = await GatewayProcess.start(first);
    const client = async (): Promise<void> => {
      while (isAsking) {
        const reply = await fetch(`${gateway.url}/x`);
        await reply.arrayBuffer();
        statuses.set(reply.status, (statuses.get(reply.status) ?? 0) + 1);
      }
    };
    clients = Promise.all(Array.from({ length: CLIENTS }, client));
  });

  afterAll(async () => {
    isAsking = false;
    await clients;
    await gateway.stop();
    rmSync(folder, { recursive: true });
  });

  function write(path: string, more: object = {}): void {
    const next = { ...configuration(workers, path, more), stateDir: folder };
    writeFileSync(gateway.configFile, JSON.stringify(next));
  }

  async function reload(...argv: string[]) {
    const io = capturedIo({ GATEWAY_ADMIN_TOKEN: TOKEN });
    const code = await runCommandLine(
      ['reload', '--admin', gateway.adminUrl, ...argv],
      io,
      async () => 0,
    );
    return { code, out: io.out(), err: io.err() };
  }

  async function stats() {
    const reply = await fetch(`${gateway.adminUrl}/stats`);
    const { configuration: found } = (await reply.json()) as {
      configuration: {
        readonly epoch: number;
        readonly trial: { readonly on_trial: { readonly requests: number } } | null;
        readonly last_reload: { readonly outcome: string; readonly reasons: string[] };
      };
    };
    return found;
  }

  it('takes back by itself what refuses requests, says why, and keeps it', async () => {
    const before = await stats();
    write('/elsewhere');
    const { code, err } = await reload('--wait');
    expect([code, err]).toEqual([2, expect.stringContaining('failed or were refused')]);
    const after = await stats();
    expect([after.epoch, after.trial]).toEqual([before.epoch, null]);
    expect(after.last_reload.outcome).toBe('refused');
    const kept = readFileSync(join(folder, 'refused-configuration.json'), 'utf8');
    expect(kept).toContain('/elsewhere');
    expect(kept).not.toContain(TOKEN);
    expect(statuses.get(404)).toBeGreaterThan(0);
    // Nobody is on trial any more.
    const refused = statuses.get(404);
    const served = statuses.get(200) ?? 0;
    await eventually('more are served', () => (statuses.get(200) ?? 0) > served + 200);
    expect((statuses.get(404) ?? 0) - (refused ?? 0)).toBeLessThanOrEqual(CLIENTS);
  });

  it('takes what does as well, when its time is over', async () => {
    const refused = statuses.get(404);
    write('/*', { timeout: '20s' });
    const begun = await reload();
    expect([begun.code, begun.out]).toEqual([0, expect.stringMatching(/is on trial for [23] s/)]);
    let tried = 0;
    await eventually('the trial is over', async () => {
      const { trial } = await stats();
      if (trial !== null) tried = trial.on_trial.requests;
      return trial === null;
    });
    expect(tried).toBeGreaterThan(0);
    const { last_reload: last } = await stats();
    expect(last).toMatchObject({ outcome: 'applied', reasons: [] });
    expect(statuses.get(404)).toBe(refused);
  });

  it('ends a trial when something else is asked for', async () => {
    certificate = 'new.test';
    write('/*', { timeout: '21s' });
    const first = fetch(`${gateway.adminUrl}/reload`, {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKEN}` },
    });
    expect((await first).status).toBe(202);
    expect(await shownName()).toBe('DNS:old.test');
    write('/*', { timeout: '22s' });
    const { code, out } = await reload('--wait');
    expect([code, out]).toEqual([0, expect.stringContaining('in force as version')]);
    expect(gateway.stdout).toContain('another configuration was asked for');
    expect(await shownName()).toBe('DNS:new.test');
  });
});
