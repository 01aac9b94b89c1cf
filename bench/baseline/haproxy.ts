/**
 * HAProxy on one thread, with upstream connections shared between requests.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  LIMITED_PREFIX,
  PLUGIN_PREFIX,
  SOCKET_PATH,
  STORED_PREFIX,
} from '../gateway/bench-requests.js';
import { type Contender, type ContenderSetup, HOST } from '../gateway/contender.js';
import { TLS_SCENARIOS } from '../gateway/tls-scenarios.js';
import { makeCertificate, missingCertificateTool } from '../support/certificate.js';
import { findFreePort, findProgram, readVersion } from '../support/environment.js';

export const haproxy = createHaproxy('haproxy', false);

/** The same with TLS and HTTP/2. */
export const haproxyTls = createHaproxy('haproxy-tls', true);

function createHaproxy(name: string, isTls: boolean): Contender {
  return {
    name,
    abilities: isTls ? [] : ['limit', 'cache', 'grpc', 'compression', 'plugin', 'websocket'],
    ...(isTls ? { scenarios: TLS_SCENARIOS } : {}),

    missing() {
      if (findProgram('haproxy') === '') return 'haproxy is not installed';
      return isTls ? missingCertificateTool() : '';
    },

    version() {
      return readVersion(findProgram('haproxy'), '-v').split(' - ')[0] ?? '';
    },

    async plan(setup) {
      const port = await findFreePort();
      const grpcPort = await findFreePort();
      const configPath = join(setup.folder, 'haproxy.cfg');
      const door = `${HOST}:${port}${isTls ? renderTls(setup.folder) : ''}`;
      writeFileSync(configPath, renderConfig(door, grpcPort, setup));
      return {
        ...{ port, grpcPort, isTls },
        command: [findProgram('haproxy'), '-db', '-f', configPath],
        nameThreads: async () => () => 'worker',
      };
    },
  };
}

/** It reads certificate and key from one file. */
function renderTls(folder: string): string {
  const { certPath, keyPath } = makeCertificate(folder);
  const path = join(folder, 'both.pem');
  writeFileSync(path, readFileSync(certPath, 'utf8') + readFileSync(keyPath, 'utf8'), {
    mode: 0o600,
  });
  const ciphers = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384';
  return ` ssl crt ${path} alpn h2,http/1.1 ciphersuites ${ciphers}`;
}

const CACHE_RULES = `  http-request cache-use stored if { path_beg ${STORED_PREFIX} }
  http-response cache-store stored
`;
const COMPRESSION_RULES = `  compression algo gzip
  compression type application/json
`;
const PLUGIN_RULES = `  http-request lua.mark if { path_beg ${PLUGIN_PREFIX} }
  http-response lua.mark_reply
`;
const PLUGIN_CODE = `core.register_action('mark', { 'http-req' }, function(transaction)
  local first = transaction.sf:path():match('^/([^/]*)')
  transaction.http:req_set_header('X-Part', first)
end)
core.register_action('mark_reply', { 'http-res' }, function(transaction)
  transaction.http:res_set_header('X-Marked', 'yes')
end)
`;

/** What the variant adds to the front. */
function renderRules({ variant }: ContenderSetup): string {
  if (variant === 'stored') return CACHE_RULES;
  if (variant === 'packed') return COMPRESSION_RULES;
  if (variant === 'plugin') return PLUGIN_RULES;
  return '';
}

function renderConfig(door: string, grpcPort: number, setup: ContenderSetup): string {
  const { folder, variant, originPorts, originGrpcPort, originSocketPort } = setup;
  const code = join(folder, 'mark.lua');
  if (variant === 'plugin') writeFileSync(code, PLUGIN_CODE);
  const load = variant === 'plugin' ? `  lua-load ${code}\n` : '';
  const cache = 'cache stored\n  total-max-size 64\n  max-object-size 100000\n  max-age 86400\n';
  return `global
  nbthread 1
  maxconn 16384
  no strict-limits
  tune.comp.maxlevel 5
${load}defaults
  mode http
  no log
  timeout connect 5s
  timeout client 120s
  timeout server 15s
  timeout tunnel 1h
  timeout http-keep-alive 120s
  option http-keep-alive
  http-reuse always
${variant === 'stored' ? cache : ''}frontend clients
  bind ${door}
  option forwardfor
  http-request set-header X-Forwarded-Proto ${door.includes(' ssl ') ? 'https' : 'http'}
  stick-table type ip size 100k expire 1h store http_req_rate(1h)
  http-request track-sc0 src if { path_beg ${LIMITED_PREFIX} }
  http-request deny deny_status 429 if { path_beg ${LIMITED_PREFIX} } { sc_http_req_rate(0) gt 1 }
${renderRules(setup)}  use_backend sockets if { path_beg ${SOCKET_PATH} }
  default_backend origin
backend origin
  server one ${HOST}:${originPorts[0]}
backend sockets
  server one ${HOST}:${originSocketPort}
frontend calls
  bind ${HOST}:${grpcPort} proto h2
  default_backend called
backend called
  server one ${HOST}:${originGrpcPort} proto h2
`;
}
