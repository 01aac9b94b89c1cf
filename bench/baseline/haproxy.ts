/**
 * HAProxy on one thread, with upstream connections shared between requests.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LIMITED_PREFIX } from '../gateway/bench-requests.js';
import { type Contender, HOST } from '../gateway/contender.js';
import { findFreePort, findProgram, readVersion } from '../support/environment.js';

export const haproxy: Contender = {
  name: 'haproxy',
  abilities: ['limit'],

  missing() {
    return findProgram('haproxy') === '' ? 'haproxy is not installed' : '';
  },

  version() {
    return readVersion(findProgram('haproxy'), '-v').split(' - ')[0] ?? '';
  },

  async plan({ folder, originPorts }) {
    const port = await findFreePort();
    const configPath = join(folder, 'haproxy.cfg');
    writeFileSync(configPath, renderConfig(port, originPorts[0]));
    return {
      port,
      command: [findProgram('haproxy'), '-db', '-f', configPath],
      nameThreads: async () => () => 'worker',
    };
  },
};

function renderConfig(port: number, originPort: number): string {
  return `global
  nbthread 1
  maxconn 16384
  no strict-limits
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
  stick-table type ip size 100k expire 1h store http_req_rate(1h)
  http-request track-sc0 src if { path_beg ${LIMITED_PREFIX} }
  http-request deny deny_status 429 if { path_beg ${LIMITED_PREFIX} } { sc_http_req_rate(0) gt 1 }
  default_backend origin
backend origin
  server one ${HOST}:${originPort}
`;
}
