import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCommandLine } from '../../src/cli/command-line.js';
import { EtcdServer, NO_ETCD } from '../support/etcd-server.js';
import { eventually } from '../support/eventually.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { IS_LONG } from '../support/long-form.js';
import { describeUnless } from '../support/not-run.js';
import { freePorts } from '../support/pebble.js';
import { type CapturedIo, capturedIo } from '../unit/cli/captured-io.js';

const SECRET = 'never-in-a-log';
const HERE = 'this machine';

const documentOf = (body: string): string =>
  `upstreams: { a: { targets: [{ url: "http://127.0.0.1:9" }] } }\n` +
  `routes: [{ name: a, match: { path: /a }, respond: { status: 200, body: "${body}" } }]\n`;

const partOf = (team: string, path: string): string =>
  `upstreams: { ${team}-u: { targets: [{ url: "http://127.0.0.1:9" }] } }\n` +
  `routes: [{ name: ${team}-r, match: { path: ${path} }, respond: { status: 200, body: ${team} } }]\n`;

// One gateway and one etcd for all of them, in this order: each goes on from the one before.
describeUnless(NO_ETCD, 'a configuration from etcd', () => {
  let etcd: EtcdServer;
  let gateway: GatewayProcess;
  let folder: string;
  let ports: readonly number[];

  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };

  /** Runs a command as a user does, with the store in the environment. */
  const sluice = async (...argv: string[]): Promise<CapturedIo & { readonly code: number }> => {
    const io = capturedIo({ GATEWAY_CONFIG_FROM: `etcd://${etcd.hosts}/sluice`, TEXT: 'variable' });
    const code = await runCommandLine(argv, io, async () => 1);
    return { ...io, code };
  };

  const bodyOf = async (path: string): Promise<string> =>
    (await fetch(`http://127.0.0.1:${ports[0]}${path}`)).text();

  const readyz = async (): Promise<{ status: number; body: Record<string, unknown> }> => {
    const reply = await fetch(`http://127.0.0.1:${ports[1]}/readyz`);
    return { status: reply.status, body: (await reply.json()) as Record<string, unknown> };
  };

  const startGateway = (): GatewayProcess =>
    GatewayProcess.spawn(
      {
        listen: { host: '127.0.0.1', port: ports[0] },
        admin: { host: '127.0.0.1', port: ports[1], token: 'admin-token-of-this-test' },
        workers: 1,
      },
      {
        GATEWAY_CONFIG_FROM: `etcd://nobody:${SECRET}@${etcd.hosts}/sluice`,
        GATEWAY_STATE_DIR: join(folder, 'state'),
        GATEWAY_NODE: 'node-1',
        TEXT: HERE,
      },
    );

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-store-'));
    ports = await freePorts(2);
    etcd = await EtcdServer.start();
    gateway = startGateway();
  });
  afterAll(async () => {
    await gateway?.kill();
    await etcd?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('is waited for: clients get 503, and whoever asks hears that it is not ready', async () => {
    await eventually('the gateway waits', () => gateway.stderr.includes('waits for'));
    const reply = await fetch(`http://127.0.0.1:${ports[0]}/a`);
    expect(reply.status).toBe(503);
    expect(await reply.json()).toMatchObject({ code: 'GW_NOT_READY' });
    for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) gateway.child.kill(signal);
    expect(await readyz()).toMatchObject({ status: 503, body: { status: 'no configuration' } });
    expect(gateway.stderr).not.toContain('Debugger');
  });

  it('is refused at the terminal of the publisher when it is wrong, and goes nowhere', async () => {
    const wrong = await sluice('publish', '-c', file('wrong.yaml', 'routes: [{ nam: a }]'));
    expect(wrong.code).toBe(2);
    expect(wrong.err()).toMatch(/unknown key "nam".*wrong\.yaml:1:\d+/);
    const large = await sluice('publish', '-c', file('large.yaml', `# ${'x'.repeat(600 * 1024)}`));
    expect([large.code, large.err()]).toEqual([2, expect.stringContaining('larger than 512 KiB')]);
    expect((await sluice('releases')).out()).toContain('has no release');
  });

  it('is in force at every gateway when publish --wait returns', async () => {
    const text = documentOf(`one of \${TEXT}`);
    const done = await sluice('publish', '-c', file('one.yaml', text), '--wait', '--nodes', '1');
    expect([done.code, done.err()]).toEqual([0, '']);
    expect(done.out()).toMatch(
      /^published \d{8}T\d{9}Z-[0-9a-f]{8}\nin force at 1 of 1 gateways\n$/,
    );
    expect(await bodyOf('/a')).toBe(`one of ${HERE}`);
    const [id] = /\d{8}T\S+/.exec(done.out()) ?? [];
    const ready = await readyz();
    expect(ready).toMatchObject({
      status: 200,
      body: { status: 'ready', configuration: { provider: 'etcd', release: id, from: 'store' } },
    });
    const metrics = await (await fetch(`http://127.0.0.1:${ports[1]}/metrics`)).text();
    expect(metrics).toContain(
      `gateway_config_release_info{provider="etcd",release="${id}",from="store"} 1`,
    );
    expect(metrics).toMatch(/gateway_config_store_age_seconds \d/);
  });

  it('is on the disk then, for the gateway alone, with its variables unresolved', () => {
    const copy = join(folder, 'state', 'last-good-configuration.json');
    expect(statSync(copy).mode & 0o777).toBe(0o600);
    expect(readFileSync(copy, 'utf8')).toContain(`one of \${TEXT}`);
    expect(readFileSync(copy, 'utf8')).not.toContain(HERE);
    expect(readdirSync(join(folder, 'state'))).toEqual(['last-good-configuration.json']);
  });

  it('changes nothing where a gateway refuses it, and the publisher hears who and why', async () => {
    const text = `${documentOf('two')}workers: 2\n`;
    const refused = await sluice('publish', '-c', file('two.yaml', text), '--wait');
    expect(refused.code).toBe(2);
    expect(refused.out()).toContain('in force at 0 of 1 gateways');
    expect(refused.err()).toMatch(
      /node-1 has refused it:\n {2}workers: stands in \S+sluice\.json:\d+ too: one of both has to go \(etcd:\S+:3:1\)/,
    );
    expect(await bodyOf('/a')).toBe(`one of ${HERE}`);
    const status = await sluice('status', '--cluster', '--json');
    expect(status.code).toBe(2);
    expect(JSON.parse(status.out()).nodes).toMatchObject([{ node: 'node-1', verdict: 'refused' }]);
  });

  it('goes back to what was in force before, whatever was published since', async () => {
    const back = await sluice('rollback', '--to', `etcd://${etcd.hosts}/sluice`, '--wait');
    expect([back.code, back.err()]).toEqual([0, '']);
    expect((await sluice('status', '--cluster')).code).toBe(0);
    const releases = (await sluice('releases')).out().trimEnd().split('\n');
    expect(releases.map((line) => line.startsWith('=>'))).toEqual([false, true]);
    const tooFar = await sluice('rollback', '--to', `etcd://${etcd.hosts}/sluice`);
    expect([tooFar.code, tooFar.err()]).toEqual([1, expect.stringContaining('no earlier release')]);
  });

  it('is gone back to in the store, and never at one gateway alone', async () => {
    const { status, body } = await gateway
      .post('/rollback', 'admin-token-of-this-test')
      .catch(async () => {
        const headers = { authorization: 'Bearer admin-token-of-this-test' };
        const url = `http://127.0.0.1:${ports[1]}/rollback`;
        const reply = await fetch(url, { method: 'POST', headers });
        return { status: reply.status, body: (await reply.json()) as { reasons?: string[] } };
      });
    expect(status).toBe(409);
    expect(body.reasons?.[0]).toContain('sluice rollback --to etcd://');
  });

  it('has parts of teams, and a bad one keeps its own last good version', async () => {
    const good = await sluice(
      'publish',
      '--part',
      'red',
      '--wait',
      '-c',
      file('red.yaml', partOf('red', '/red')),
    );
    expect([good.code, good.err()]).toEqual([0, '']);
    const named = await sluice(
      'publish',
      '--part',
      'blue',
      '-c',
      file('red2.yaml', partOf('red', '/x')),
    );
    expect([named.code, named.err()]).toEqual([
      2,
      expect.stringContaining('must begin with "blue-"'),
    ]);
    // As a team does that does not use our command.
    await etcd.ctl('put', 'sluice/parts/blue', partOf('blue', '/red'));
    await etcd.ctl('put', 'sluice/parts/green', partOf('green', '/green'));
    await eventually('green is in force', async () => (await bodyOf('/green')) === 'green');
    expect(await bodyOf('/red')).toBe('red');
    await eventually(
      'blue is refused',
      async () => (await sluice('status', '--cluster')).code === 2,
    );
    const status = await sluice('status', '--cluster');
    expect(status.out()).toMatch(/both take every method on this path/);
    await etcd.ctl('del', 'sluice/parts/red');
    await eventually('blue has its place', async () => (await bodyOf('/red')) === 'blue');
    await eventually('all is well', async () => (await sluice('status', '--cluster')).code === 0);
  });

  it('is used again without its store, from the disk, and followed when that is back', async () => {
    await etcd.kill();
    await gateway.stop();
    gateway = startGateway();
    await eventually('the gateway runs', async () => {
      return (await readyz().catch(() => null))?.status === 200;
    });
    expect(await readyz()).toMatchObject({ body: { configuration: { from: 'copy' } } });
    expect(await bodyOf('/a')).toBe(`one of ${HERE}`);
    expect(await bodyOf('/green')).toBe('green');
    expect(gateway.stderr).toContain('the configuration is the last good copy on disk');
    await etcd.again();
    const done = await sluice(
      'publish',
      '--wait',
      '--nodes',
      '1',
      '-c',
      file('three.yaml', documentOf('three')),
    );
    expect([done.code, done.err()]).toEqual([0, '']);
    expect(await bodyOf('/a')).toBe('three');
    expect(await readyz()).toMatchObject({ body: { configuration: { from: 'store' } } });
  });

  it(
    'may change many times in a row, and leaves nothing behind',
    async () => {
      const [count, last] = IS_LONG ? [1000, 'many 999'] : [50, 'many 49'];
      const filesOpen = (): number => readdirSync(`/proc/${gateway.child.pid}/fd`).length;
      const before = filesOpen();
      let residentBytes = 0;
      for (let at = 0; at < count; at += 1) {
        const path = file('many.yaml', documentOf(`many ${at}`));
        // In the long form each is waited for, and so is a reload.
        const wait = IS_LONG ? ['--wait'] : [];
        expect((await sluice('publish', '-c', path, '--keep', '5', ...wait)).code).toBe(0);
        if (at === 200) residentBytes = gateway.residentBytes();
      }
      await eventually('the last one is in force', async () => (await bodyOf('/a')) === last);
      expect((await sluice('releases')).out().trimEnd().split('\n')).toHaveLength(5);
      await eventually('its files are closed', () => filesOpen() <= before);
      await eventually('the copy is the only file', () => {
        return String(readdirSync(join(folder, 'state'))) === 'last-good-configuration.json';
      });
      if (IS_LONG) expect(gateway.residentBytes()).toBeLessThan(residentBytes + 64 * 1024 * 1024);
    },
    IS_LONG ? 3_600_000 : 60_000,
  );

  it('never shows a secret', () => {
    expect(gateway.stdout + gateway.stderr).not.toContain(SECRET);
  });
});
