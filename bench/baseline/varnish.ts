/**
 * Varnish with its store in memory, for the scenarios of caches alone.
 *
 * It has a thread for each connection that is busy, so that its figure is that of all of them.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { STORED_PREFIX } from '../gateway/bench-requests.js';
import { CACHE_SCENARIOS } from '../gateway/cache-scenarios.js';
import { type Contender, HOST } from '../gateway/contender.js';
import { findFreePort, findProgram, readVersion } from '../support/environment.js';

export const varnish: Contender = {
  name: 'varnish',
  abilities: ['cache'],
  scenarios: CACHE_SCENARIOS,

  missing() {
    return findProgram('varnishd') === '' ? 'varnishd is not installed' : '';
  },

  version() {
    return readVersion(findProgram('varnishd'), '-V');
  },

  async plan({ folder, originPorts }) {
    const port = await findFreePort();
    const rules = join(folder, 'varnish.vcl');
    writeFileSync(rules, renderRules(originPorts[0]));
    const options = ['-n', join(folder, 'varnish'), '-a', `${HOST}:${port}`, '-f', rules];
    const memory = ['-s', 'malloc,256m', '-T', 'none', '-j', 'none'];
    return {
      port,
      command: [findProgram('varnishd'), '-F', ...options, ...memory],
      nameThreads: async () => () => 'workers',
    };
  },
};

function renderRules(originPort: number): string {
  return `vcl 4.1;
backend default { .host = "${HOST}"; .port = "${originPort}"; }
sub vcl_recv {
  if (req.url !~ "^${STORED_PREFIX}/") { return (pass); }
}
`;
}
