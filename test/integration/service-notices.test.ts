/** What systemd learns of a gateway that a unit of Type=notify has started. */
import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { describeUnless } from '../support/not-run.js';
import { ServiceManager } from '../support/service-manager.js';

const CONFIG = {
  workers: 1,
  upstreams: { api: { targets: [{ url: 'http://127.0.0.1:9' }] } },
  routes: [{ name: 'all', match: { path: '/*' }, respond: { status: 204 } }],
};

const MISSING = spawnSync('systemd-notify', ['--version']).error
  ? 'the program systemd-notify (Debian: systemd)'
  : '';

let manager: ServiceManager;
let gateway: GatewayProcess;

beforeEach(async () => {
  manager = await ServiceManager.start();
});

afterEach(async () => {
  await gateway?.kill();
  await manager.stop();
});

const sent = (message: string): number =>
  manager.messages().filter((one) => one === message).length;

describeUnless(MISSING, 'a gateway that systemd has started', () => {
  it('says when it is ready, when it reloads, and when it stops', async () => {
    gateway = await GatewayProcess.start(CONFIG, { NOTIFY_SOCKET: manager.socket });
    await eventually('it is ready', () => sent('READY=1') === 1);
    gateway.rewrite({ ...CONFIG, limits: { bodyBytes: '2MiB' } });
    const beforeMs = Number(process.hrtime.bigint() / 1_000_000n);
    gateway.child.kill('SIGHUP');
    await eventually('it is ready again', () => sent('READY=1') === 2);
    await gateway.stop();
    expect(gateway.exitCode).toBe(0);
    const messages = manager.messages();
    expect(messages).toEqual([
      'READY=1',
      expect.stringMatching(/^RELOADING=1\nMONOTONIC_USEC=\d+$/),
      'READY=1',
      'STOPPING=1',
    ]);
    // systemd takes a reload that began before its signal for an older one.
    const microseconds = Number(/USEC=(\d+)/.exec(messages[1] ?? '')?.[1]);
    expect(microseconds).toBeGreaterThanOrEqual(beforeMs * 1000);
  });

  it('gives signs of life within the time that systemd asks for', async () => {
    const env = { NOTIFY_SOCKET: manager.socket, WATCHDOG_USEC: '200000' };
    gateway = await GatewayProcess.start(CONFIG, env);
    await eventually('there are several', () => sent('WATCHDOG=1') >= 3);
    expect(gateway.find('systemd gets no sign of life while no request can be answered')).toEqual(
      [],
    );
  });
});

it('a gateway without systemd-notify says so once, and serves', async () => {
  const env = { NOTIFY_SOCKET: manager.socket, PATH: '/nowhere', WATCHDOG_USEC: '20000' };
  gateway = await GatewayProcess.start(CONFIG, env);
  expect((await fetch(`${gateway.url}/`)).status).toBe(204);
  await gateway.stop();
  expect(gateway.exitCode).toBe(0);
  const warnings = gateway.records().filter(({ msg }) => msg.includes('systemd-notify'));
  expect(warnings).toHaveLength(1);
  expect(manager.messages()).toEqual([]);
});
