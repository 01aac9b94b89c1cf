/**
 * The folder in which the gateway was started is removed, or replaced, as deployments do.
 */
import { mkdirSync, mkdtempSync, readlinkSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { aConfig } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';

const TOKEN = 'a-token-for-tests-of-the-admin-listener';

it('goes on reloading and replacing threads when its working folder is gone', async () => {
  const above = mkdtempSync(join(tmpdir(), 'sluice-folder-'));
  const cwd = join(above, 'release');
  mkdirSync(cwd);
  const upstream = await FakeUpstream.start((_, response) => response.end('one'));
  const config = {
    ...aConfig([upstream.url]),
    admin: { port: 0, token: TOKEN },
    reload: { watch: false },
    workers: 1,
  };
  const gateway = await GatewayProcess.start(config, { GATEWAY_CHAOS: '1' }, undefined, { cwd });
  onTestFinished(async () => {
    await gateway.kill();
    await upstream.close();
    rmSync(above, { recursive: true });
  });
  rmdirSync(cwd);
  expect((await gateway.post('/reload', TOKEN)).status).toBe(200);
  // The spare thread takes the place of the first one; what comes after it is started here.
  for (const died of [1, 2, 3]) {
    await gateway.post('/chaos/worker/0/crash', TOKEN);
    await eventually(`worker ${died} is replaced`, () => {
      return gateway.find('lane is served again').length >= died;
    });
  }
  const current = (): string => readlinkSync(`/proc/${gateway.child.pid}/cwd`);
  // In the folder above, or any other, relative names could be those of other files.
  expect(current()).toBe('/');
  mkdirSync(cwd);
  await eventually('it is back in its folder', () => current() === cwd);
  expect((await gateway.post('/reload', TOKEN)).status).toBe(200);
});
