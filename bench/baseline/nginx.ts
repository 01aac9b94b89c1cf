/**
 * nginx with one worker, set up as its own documentation sets up a fast reverse proxy.
 *
 * Buffers are large enough for the 64 KiB reply, and larger bodies stream, so that nothing goes
 * through a file; the count of requests per connection is raised, since the others have no such
 * limit.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LIMITED_PREFIX, OPEN_PREFIX } from '../gateway/bench-requests.js';
import { type Contender, HOST } from '../gateway/contender.js';
import { findFreePort, findProgram, readVersion } from '../support/environment.js';

export const nginx: Contender = {
  name: 'nginx',
  abilities: ['limit'],

  missing() {
    return findProgram('nginx') === '' ? 'nginx is not installed' : '';
  },

  version() {
    return readVersion(findProgram('nginx'), '-v');
  },

  async plan({ folder, originPorts }) {
    const port = await findFreePort();
    const configPath = join(folder, 'nginx.conf');
    writeFileSync(configPath, renderConfig(folder, port, originPorts[0]));
    return {
      port,
      command: [
        findProgram('nginx'),
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

function renderConfig(folder: string, port: number, originPort: number): string {
  // Started by root it would give its worker to another user, who may not enter the folder.
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  return `daemon off;
${user}
worker_processes 1;
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
  limit_req_zone $binary_remote_addr zone=limited:10m rate=1r/m;
  limit_req_status 429;
  upstream origin {
    server ${HOST}:${originPort};
    keepalive 256;
    keepalive_requests 100000000;
    keepalive_timeout 120s;
  }
  server {
    listen ${HOST}:${port} backlog=1024;
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
    location ${OPEN_PREFIX}/stream {
      proxy_request_buffering off;
      proxy_max_temp_file_size 0;
      proxy_pass http://origin;
    }
  }
}
`;
}
