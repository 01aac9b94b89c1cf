/**
 * Caddy's reverse proxy, without admin listener or log.
 *
 * Go runs on all cores unless it is told otherwise, and is left to: compare its CPU time.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKED_PREFIX, SOCKET_PATH } from '../gateway/bench-requests.js';
import { type Contender, type ContenderSetup, HOST } from '../gateway/contender.js';
import { TLS_SCENARIOS } from '../gateway/tls-scenarios.js';
import { makeCertificate, missingCertificateTool } from '../support/certificate.js';
import { findFreePort, findProgram, readVersion } from '../support/environment.js';

export const caddy = createCaddy('caddy', false);

/** The same with TLS and HTTP/2. */
export const caddyTls = createCaddy('caddy-tls', true);

function createCaddy(name: string, isTls: boolean): Contender {
  return {
    name,
    abilities: isTls ? [] : ['grpc', 'compression', 'websocket'],
    ...(isTls ? { scenarios: TLS_SCENARIOS } : {}),

    missing() {
      if (findProgram('caddy') === '') return 'caddy is not installed';
      return isTls ? missingCertificateTool() : '';
    },

    version() {
      return `Caddy ${readVersion(findProgram('caddy'), 'version')}`;
    },

    async plan(setup) {
      const { folder } = setup;
      const port = await findFreePort();
      const grpcPort = await findFreePort();
      const configPath = join(folder, 'Caddyfile');
      writeFileSync(configPath, renderConfig(setup, isTls, { port, grpcPort }));
      return {
        ...{ port, grpcPort, isTls },
        command: [findProgram('caddy'), 'run', '--config', configPath, '--adapter', 'caddyfile'],
        // Its own folders too, so that it finds and leaves nothing in a user's home.
        environment: { HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder },
        nameThreads: async () => () => 'Go',
      };
    },
  };
}

function renderTls(folder: string): string {
  const { certPath, keyPath } = makeCertificate(folder);
  return `tls ${certPath} ${keyPath}`;
}

function renderFeature({ variant, originSocketPort }: ContenderSetup): string {
  if (variant === 'sockets') return `reverse_proxy ${SOCKET_PATH} ${HOST}:${originSocketPort}`;
  if (variant !== 'packed') return '';
  return `encode ${PACKED_PREFIX}/* {
		gzip 5
	}`;
}

interface Ports {
  readonly port: number;
  readonly grpcPort: number;
}

function renderConfig(setup: ContenderSetup, isTls: boolean, { port, grpcPort }: Ports): string {
  const { folder, originPorts, originGrpcPort } = setup;
  return `{
	admin off
	auto_https off
	default_sni localhost
	log {
		output discard
	}
	servers ${HOST}:${grpcPort} {
		protocols h1 h2 h2c
	}
}
${isTls ? 'https' : 'http'}://:${port} {
	bind ${HOST}
	${isTls ? renderTls(folder) : ''}
	${renderFeature(setup)}
	reverse_proxy ${HOST}:${originPorts[0]} {
		transport http {
			keepalive 120s
			keepalive_idle_conns_per_host 256
		}
	}
}
http://${HOST}:${grpcPort} {
	bind ${HOST}
	reverse_proxy h2c://${HOST}:${originGrpcPort}
}
`;
}
