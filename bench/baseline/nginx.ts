/**
 * nginx with one worker, set up as its own documentation sets up a fast reverse proxy.
 *
 * Buffers are large enough for the 64 KiB reply, so that nothing goes through a file; the count
 * of requests per connection is raised, since the others have no such limit.
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

export const nginx: Contender = {
  name: 'nginx',

  missing() {
    return findProgram('nginx') === '' ? 'nginx is not installed' : '';
  },

  async start(setup: ContenderSetup): Promise<RunningContender> {
    const program = findProgram('nginx');
    const port = await findFreePort();
    const configPath = join(setup.folder, 'nginx.conf');
    const errorLog = join(setup.folder, 'error.log');
    writeFileSync(configPath, renderConfig(setup.folder, port, setup.originPort));
    const command = [program, '-p', setup.folder, '-e', errorLog, '-c', configPath];
    const child = setup.children.start('nginx', command);
    await waitHealthy(child, port, `${OPEN_PREFIX}/small`);
    return { child, port, version: readVersion(program, '-v'), nameThread: () => 'worker' };
  },
};

function renderConfig(folder: string, port: number, originPort: number): string {
  // Started by root it would give its worker to another user, who may not enter the folder.
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  return `daemon off;
${user}
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log warn;
events { worker_connections 4096; }
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
  upstream origin {
    server ${HOST}:${originPort};
    keepalive 256;
    keepalive_requests 100000000;
    keepalive_timeout 120s;
  }
  server {
    listen ${HOST}:${port} backlog=1024;
    location / {
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_buffer_size 8k;
      proxy_buffers 16 8k;
    }
  }
}
`;
}
