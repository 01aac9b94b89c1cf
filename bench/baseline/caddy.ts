/**
 * Caddy's reverse proxy, without TLS, admin listener or log.
 *
 * Go runs on all cores unless it is told otherwise, and is left to: compare its CPU time.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Contender, HOST } from '../gateway/contender.js';
import { findFreePort, findProgram, readVersion } from '../support/environment.js';

export const caddy: Contender = {
  name: 'caddy',
  abilities: [],

  missing() {
    return findProgram('caddy') === '' ? 'caddy is not installed' : '';
  },

  version() {
    return `Caddy ${readVersion(findProgram('caddy'), 'version')}`;
  },

  async plan({ folder, originPorts }) {
    const port = await findFreePort();
    const configPath = join(folder, 'Caddyfile');
    writeFileSync(configPath, renderConfig(port, originPorts[0]));
    return {
      port,
      command: [findProgram('caddy'), 'run', '--config', configPath, '--adapter', 'caddyfile'],
      // Its own folders too, so that it finds and leaves nothing in a user's home.
      environment: { HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder },
      nameThreads: async () => () => 'Go',
    };
  },
};

function renderConfig(port: number, originPort: number): string {
  return `{
	admin off
	auto_https off
	log {
		output discard
	}
}
http://${HOST}:${port} {
	bind ${HOST}
	reverse_proxy ${HOST}:${originPort} {
		transport http {
			keepalive 120s
			keepalive_idle_conns_per_host 256
		}
	}
}
`;
}
