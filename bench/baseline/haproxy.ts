/**
 * HAProxy on one thread, with upstream connections shared between requests.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Contender,
  type ContenderSetup,
  HOST,
  type RunningContender,
  waitHealthy,
} from '../gateway/contender.js';
import { OPEN_PREFIX } from '../gateway/scenarios.js';
import { findFreePort, findProgram, readVersion } from '../support/environment.js';

export const haproxy: Contender = {
  name: 'haproxy',

  missing() {
    return findProgram('haproxy') === '' ? 'haproxy is not installed' : '';
  },

  async start(setup: ContenderSetup): Promise<RunningContender> {
    const program = findProgram('haproxy');
    const port = await findFreePort();
    const configPath = join(setup.folder, 'haproxy.cfg');
    writeFileSync(configPath, renderConfig(port, setup.originPort));
    const child = setup.children.start('haproxy', [program, '-db', '-f', configPath]);
    await waitHealthy(child, port, `${OPEN_PREFIX}/small`);
    const version = readVersion(program, '-v').split(' - ')[0] ?? '';
    return { child, port, version, nameThread: () => 'worker' };
  },
};

function renderConfig(port: number, originPort: number): string {
  return `global
  nbthread 1
  maxconn 8192
defaults
  mode http
  no log
  timeout connect 5s
  timeout client 120s
  timeout server 15s
  timeout http-keep-alive 120s
  option http-keep-alive
  http-reuse always
frontend clients
  bind ${HOST}:${port}
  option forwardfor
  http-request set-header X-Forwarded-Proto http
  default_backend origin
backend origin
  server one ${HOST}:${originPort}
`;
}
