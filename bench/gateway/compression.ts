/**
 * What compression costs beside nginx: `npm run bench:compression [-- REQUESTS [LEVEL]]`.
 *
 * Prints the CPU per request of Sluice and of nginx, one worker each, which compress 64 KiB of JSON
 * by gzip at the same level, in rounds that take turns; and the same without compression. Origin
 * and clients are in this process, whose CPU does not count.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChildProcesses, type RunningChild, waitUntil } from '../support/child-processes.js';
import { findFreePort, findProgram, projectRoot } from '../support/environment.js';
import { readTreeCpu } from '../support/process-cpu.js';
import { median } from '../support/statistics.js';
import { HOST } from './contender.js';

const REQUESTS = Number(process.argv[2] ?? 2000);
const LEVEL = Number(process.argv[3] ?? 5);
const ROUNDS = 5;
const CONNECTIONS = 8;
const DEADLINE_MS = 30_000;
const BODY_BYTES = 65_536;

const folder = mkdtempSync(join(tmpdir(), 'sluice-compression-'));
const children = new ChildProcesses();
const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });

/** Rows as an API lists them: about a seventh of it is left by gzip. */
function makeBody(): string {
  const rows: string[] = [];
  for (let id = 0, bytes = 2; bytes < BODY_BYTES; id += 1) {
    const row = {
      id,
      name: `user ${(id * 7919) % 1000}`,
      score: ((id * 2_654_435_761) % 1e4) / 100,
    };
    rows.push(JSON.stringify({ ...row, email: `u${(id * 104_729) % 1e5}@example.org` }));
    bytes += (rows.at(-1)?.length ?? 0) + 1;
  }
  return `[${rows.join(',')}]`;
}

interface Contender {
  readonly name: string;
  readonly port: number;
  readonly child: RunningChild;
}

async function startSluice(origin: number): Promise<Contender> {
  const [port, adminPort] = [await findFreePort(), await findFreePort()];
  const file = join(folder, 'sluice.json');
  const config = {
    listen: { port },
    admin: { port: adminPort },
    workers: 1,
    logging: { accessLog: false },
    compression: { encodings: ['gzip'], level: { gzip: LEVEL } },
    upstreams: { a: { targets: [{ url: `http://${HOST}:${origin}` }] } },
    routes: [{ name: 'all', match: { path: '/*' }, upstream: 'a' }],
  };
  writeFileSync(file, JSON.stringify(config));
  const entry = join(projectRoot(), 'dist', 'src', 'main.js');
  const command = [process.execPath, entry, 'run', '-c', file];
  return { name: 'sluice', port, child: children.start('sluice', command) };
}

async function startNginx(origin: number): Promise<Contender> {
  const port = await findFreePort();
  const file = join(folder, 'nginx.conf');
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  const lines = [
    `daemon off; ${user} worker_processes 1; pid ${folder}/nginx.pid;`,
    `error_log ${folder}/error.log crit; events { worker_connections 1024; }`,
    `http { access_log off; keepalive_requests 100000000; proxy_temp_path ${folder}/proxy;`,
    `client_body_temp_path ${folder}/body; fastcgi_temp_path ${folder}/f;`,
    `uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;`,
    `upstream o { server ${HOST}:${origin}; keepalive 64; keepalive_requests 100000000; }`,
    `gzip on; gzip_comp_level ${LEVEL}; gzip_types application/json; gzip_proxied any;`,
    `server { listen ${HOST}:${port}; proxy_http_version 1.1; proxy_set_header Connection "";`,
    'proxy_buffers 16 8k; location / { proxy_pass http://o; } } }',
  ];
  writeFileSync(file, lines.join('\n'));
  const command = [findProgram('nginx'), '-p', folder, '-e', `${folder}/error.log`, '-c', file];
  return { name: 'nginx', port, child: children.start('nginx', command) };
}

/** Bytes of the body. */
function ask(port: number, coding: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = coding === '' ? {} : { 'accept-encoding': coding };
    get({ host: HOST, port, path: '/rows', agent, headers }, (reply) => {
      let bytes = 0;
      reply.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      reply.once('end', () => {
        const got = reply.headers['content-encoding'] ?? '';
        if (reply.statusCode === 200 && got === coding) resolve(bytes);
        else reject(new Error(`status ${reply.statusCode}, coding ${got}`));
      });
    }).once('error', reject);
  });
}

/** CPU microseconds per request. */
async function measure({ child, port }: Contender, coding: string): Promise<number> {
  const cpuUs = (): number => readTreeCpu(child.pid).reduce((sum, { totalUs }) => sum + totalUs, 0);
  const before = cpuUs();
  let left = REQUESTS;
  const loop = async (): Promise<void> => {
    while (left-- > 0) await ask(port, coding);
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, loop));
  return (cpuUs() - before) / REQUESTS;
}

async function run(origin: number): Promise<void> {
  const contenders = [await startSluice(origin), await startNginx(origin)];
  for (const { port, child, name } of contenders) {
    const answers = (): Promise<boolean> => ask(port, '').then(Boolean, () => false);
    await waitUntil(name, DEADLINE_MS, answers, child);
    console.log(`${name.padEnd(8)} ${await ask(port, 'gzip')} bytes of ${await ask(port, '')}`);
  }
  for (const coding of ['gzip', '']) {
    const taken = contenders.map((): number[] => []);
    for (let round = 0; round <= ROUNDS; round += 1) {
      for (const [at, contender] of contenders.entries()) {
        const us = await measure(contender, coding);
        // The first round warms up.
        if (round > 0) taken[at]?.push(us);
      }
    }
    const [own = Number.NaN, others = Number.NaN] = taken.map(median);
    const figures = `sluice ${own.toFixed(0)} us, nginx ${others.toFixed(0)} us`;
    console.log(`${(coding || 'plain').padEnd(8)} ${figures}: ${(own / others).toFixed(2)} ×`);
  }
}

const body = makeBody();
const server = createServer((_, response) => {
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
});
await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
try {
  if (findProgram('nginx') === '') throw new Error('nginx is not installed');
  console.log(`gzip at level ${LEVEL}, ${REQUESTS} requests a round, Node ${process.version}`);
  await run((server.address() as AddressInfo).port);
} finally {
  await children.stopAll();
  agent.destroy();
  server.close();
  rmSync(folder, { recursive: true, force: true });
}
