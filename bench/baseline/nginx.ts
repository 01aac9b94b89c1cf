/**
 * nginx with one worker, set up as its own documentation sets up a fast reverse proxy.
 *
 * Buffers are large enough for the 64 KiB reply, and larger bodies stream, so that nothing goes
 * through a file; the count of requests per connection is raised, since the others have no such
 * limit.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  LIMITED_PREFIX,
  MIRROR_PREFIX,
  OPEN_PREFIX,
  PACKED_PREFIX,
  PLUGIN_PREFIX,
  SOCKET_PATH,
  STORED_PREFIX,
} from '../gateway/bench-requests.js';
import { type Ability, type Contender, type ContenderSetup, HOST } from '../gateway/contender.js';
import { HTTP2_ORIGIN_SCENARIOS, TLS_SCENARIOS } from '../gateway/tls-scenarios.js';
import {
  type Certificate,
  makeCertificate,
  missingCertificateTool,
} from '../support/certificate.js';
import { findFreePort, findProgram, readVersion } from '../support/environment.js';

/** Debian: libnginx-mod-http-js. */
const NJS_MODULE = '/usr/lib/nginx/modules/ngx_http_js_module.so';
const ABILITIES: readonly Ability[] = [
  'limit',
  'cache',
  'grpc',
  'compression',
  'mirror',
  'websocket',
];

export const nginx = createNginx({ name: 'nginx', isTls: false });

/** The same with TLS, as its documentation shows it, and with tickets, which Sluice has as well. */
export const nginxTls = createNginx({ name: 'nginx-tls', isTls: true });

/** With the origin over HTTP/2, for which nginx 1.22 has `grpc_pass` alone. */
export const nginxH2c = createNginx({ name: 'nginx-h2c', isTls: false, hasHttp2Origin: true });

interface NginxOptions {
  readonly name: string;
  readonly isTls: boolean;
  readonly hasHttp2Origin?: boolean;
  /** The only ones that it takes part in, where it is not for TLS or HTTP/2. */
  readonly scenarios?: readonly string[];
  readonly processes?: number;
  /** Put before the command. */
  readonly prefix?: readonly string[];
}

export function createNginx(options: NginxOptions): Contender {
  const { name, isTls, hasHttp2Origin = false, scenarios, processes = 1, prefix = [] } = options;
  return {
    name,
    abilities:
      isTls || hasHttp2Origin
        ? ['limit']
        : [...ABILITIES, ...(existsSync(NJS_MODULE) ? (['plugin'] as const) : [])],
    ...(scenarios === undefined ? {} : { scenarios }),
    ...(isTls ? { scenarios: TLS_SCENARIOS } : {}),
    ...(hasHttp2Origin ? { scenarios: HTTP2_ORIGIN_SCENARIOS } : {}),

    missing() {
      if (findProgram('nginx') === '') return 'nginx is not installed';
      return isTls ? missingCertificateTool() : '';
    },

    version() {
      return readVersion(findProgram('nginx'), '-v');
    },

    async plan(setup) {
      const { folder, originPorts, originHttp2Port, originGrpcPort, variant } = setup;
      const port = await findFreePort();
      const grpcPort = await findFreePort();
      const program = findProgram('nginx');
      const configPath = join(folder, 'nginx.conf');
      const tls = isTls ? makeCertificate(folder) : undefined;
      const originPort = hasHttp2Origin ? originHttp2Port : originPorts[0];
      const cache = variant === 'stored' ? folderInMemory(folder) : '';
      const calls = variant === 'grpc' ? renderCalls(grpcPort, originGrpcPort) : '';
      const listen = { folder, port, tls, cache, processes };
      const config = renderConfig(listen, originPort, { calls, ...renderFeature(setup) });
      writeFileSync(configPath, hasHttp2Origin ? overHttp2(config) : config);
      return {
        port,
        grpcPort,
        isTls,
        command: [
          ...prefix,
          program,
          '-p',
          folder,
          '-e',
          join(folder, 'error.log'),
          '-c',
          configPath,
        ],
        nameThreads: async () => () => 'worker',
      };
    },
  };
}

/** What a variant adds: before everything, to `http`, and to `server`. */
interface Additions {
  readonly modules: string;
  readonly calls: string;
  readonly http: string;
  readonly places: string;
}

const NOTHING = { modules: '', http: '', places: '' };

function renderFeature(setup: ContenderSetup): Omit<Additions, 'calls'> {
  const { variant, folder, originPorts, originSocketPort } = setup;
  switch (variant) {
    case 'packed':
      return { ...NOTHING, places: PACKED_PLACE };
    case 'plugin':
      writeFileSync(join(folder, 'mark.js'), PLUGIN_CODE);
      return { modules: `load_module ${NJS_MODULE};`, http: PLUGIN_HTTP, places: PLUGIN_PLACE };
    case 'mirror':
      return { ...NOTHING, http: renderSecond(originPorts[1]), places: MIRROR_PLACE };
    case 'sockets':
      return { ...NOTHING, places: renderSocketPlace(originSocketPort) };
    default:
      return NOTHING;
  }
}

const PACKED_PLACE = `location ${PACKED_PREFIX}/ {
      gzip on;
      gzip_comp_level 5;
      gzip_types application/json;
      gzip_proxied any;
      proxy_pass http://origin;
    }`;

const PLUGIN_CODE = `function part(request) {
  const path = request.uri;
  return path.slice(1, path.indexOf('/', 1));
}
export default { part };
`;
const PLUGIN_HTTP = `js_import marks from mark.js;
  js_set $part marks.part;`;
const PLUGIN_PLACE = `location ${PLUGIN_PREFIX}/ {
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Part $part;
      add_header X-Marked yes;
      proxy_pass http://origin;
    }`;

const MIRROR_PLACE = `location ${MIRROR_PREFIX}/ {
      mirror /copy;
      proxy_pass http://origin;
    }
    location = /copy {
      internal;
      proxy_pass http://second$request_uri;
    }`;

function renderSecond(originPort: number): string {
  return `upstream second {
    server ${HOST}:${originPort};
    keepalive 256;
    keepalive_requests 100000000;
    keepalive_timeout 120s;
  }`;
}

function renderSocketPlace(originPort: number): string {
  return `location ${SOCKET_PATH} {
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade;
      proxy_read_timeout 1h;
      proxy_pass http://${HOST}:${originPort};
    }`;
}

interface ListenFields {
  readonly folder: string;
  readonly port: number;
  readonly tls: Certificate | undefined;
  /** Where replies are stored; empty: nowhere. */
  readonly cache: string;
  readonly processes: number;
}

/** Where the system has one; else the folder for everything. */
function folderInMemory(folder: string): string {
  try {
    const made = mkdtempSync('/dev/shm/sluice-bench-');
    process.once('exit', () => rmSync(made, { recursive: true, force: true }));
    return made;
  } catch {
    return join(folder, 'cache');
  }
}

/** As its documentation sets up a cache that is asked often. */
function renderCacheZone(cache: string): string {
  return cache === ''
    ? ''
    : `proxy_cache_path ${cache} levels=1:2 keys_zone=stored:16m inactive=1d;
  open_file_cache max=1000 inactive=1d;
  sendfile on;
  tcp_nopush on;`;
}

function renderCachedPlace(cache: string): string {
  return cache === ''
    ? ''
    : `location ${STORED_PREFIX}/ {
      proxy_cache stored;
      proxy_pass http://origin;
    }`;
}

function overHttp2(config: string): string {
  return config.replaceAll('proxy_pass http://', 'grpc_pass grpc://');
}

/** Calls of gRPC have a port of their own: nginx 1.22 takes one protocol on a port. */
function renderCalls(port: number, originPort: number): string {
  return `upstream calls {
    server ${HOST}:${originPort};
    keepalive 256;
    keepalive_requests 100000000;
    keepalive_timeout 120s;
  }
  server {
    listen ${HOST}:${port} backlog=1024 http2;
    location / {
      grpc_pass grpc://calls;
    }
  }`;
}

/** Sluice prefers the same cipher by default, and has tickets and no cache of sessions. */
function renderTls({ certPath, keyPath }: Certificate): string {
  return `ssl_certificate ${certPath};
    ssl_certificate_key ${keyPath};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384;
    ssl_prefer_server_ciphers on;
    ssl_session_cache off;
    ssl_session_tickets on;`;
}

function renderConfig(
  { folder, port, tls, cache, processes }: ListenFields,
  originPort: number,
  { modules, calls, http, places }: Additions,
): string {
  // Started by root it would give its worker to another user, who may not enter the folder.
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  return `daemon off;
${modules}
${user}
worker_processes ${processes};
pid ${folder}/nginx.pid;
error_log ${folder}/error.log crit;
events { worker_connections 16384; }
http {
  access_log off;
  client_body_temp_path ${folder}/client_body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  keepalive_requests 100000000;
  keepalive_timeout 120s;
  tcp_nodelay on;
  client_max_body_size 0;
  ${renderCacheZone(cache)}
  limit_req_zone $binary_remote_addr zone=limited:10m rate=1r/m;
  limit_req_status 429;
  upstream origin {
    server ${HOST}:${originPort};
    keepalive 256;
    keepalive_requests 100000000;
    keepalive_timeout 120s;
  }
  ${calls}
  ${http}
  server {
    listen ${HOST}:${port} backlog=1024${tls === undefined ? '' : ' ssl http2'};
    ${tls === undefined ? '' : renderTls(tls)}
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_buffer_size 8k;
    proxy_buffers 16 8k;
    location / {
      proxy_pass http://origin;
    }
    location ${LIMITED_PREFIX}/ {
      limit_req zone=limited;
      proxy_pass http://origin;
    }
    ${renderCachedPlace(cache)}
    ${places}
    location ${OPEN_PREFIX}/stream {
      proxy_request_buffering off;
      proxy_max_temp_file_size 0;
      proxy_pass http://origin;
    }
  }
}
`;
}
