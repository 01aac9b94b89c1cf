/**
 * WebSockets that are idle, through Sluice, and through nginx where there is one: their memory.
 *
 *     node dist/bench/idle-websockets.js [SOCKETS]
 *
 * A run of its own, beside `npm run bench`: it needs more open files than a shell allows by default
 * (`ulimit -n`), two for each socket in the gateway. Sockets are as many as that allows, 10,000 at
 * most. What a process takes once, for its first sockets, is not counted: some are opened and
 * closed before.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { listenSockets } from './gateway/socket-origin.js';
import { findProgram } from './support/environment.js';

/** The word by which it is the target. */
const SERVE = 'serve';
const OPENING_MAX = 100;
const TRIES_MAX = 300;
const SPARE_FILES = 300;
const WARM_SOCKETS = 500;
const SETTLE_MS = 5000;
const MAIN = new URL('../src/main.js', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'sluice-sockets-'));

interface Contender {
  readonly name: string;
  start(targetPort: number, port: number): ChildProcess;
}

const SLUICE: Contender = {
  name: 'sluice',
  start: (targetPort, port) => {
    const file = join(folder, 'sluice.json');
    const config = {
      listen: { host: '127.0.0.1', port, engine: 'wire' },
      shutdown: { grace: '100ms' },
      admin: { port: 0 },
      logging: { level: 'warn', accessLog: false },
      limits: { inFlight: 50_000, connections: 50_000, connectionsPerAddress: 50_000 },
      upstreams: { echo: { targets: [{ url: `http://127.0.0.1:${targetPort}` }] } },
      routes: [{ name: 'echo', match: { path: '/*' }, upstream: 'echo' }],
    };
    writeFileSync(file, JSON.stringify(config));
    return spawn(process.execPath, [MAIN, 'run', '-c', file], { stdio: 'inherit' });
  },
};

const NGINX: Contender = {
  name: 'nginx',
  start: (targetPort, port) => {
    const file = join(folder, 'nginx.conf');
    writeFileSync(
      file,
      `daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log stderr warn;
       worker_rlimit_nofile 100000;
       events { worker_connections 50000; }
       http { access_log off;
         server { listen 127.0.0.1:${port};
           location / { proxy_pass http://127.0.0.1:${targetPort}; proxy_http_version 1.1;
             proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
             proxy_read_timeout 1h; } } }`,
    );
    return spawn(findProgram('nginx'), ['-c', file, '-p', folder], { stdio: 'inherit' });
  },
};

function open(port: number): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`, [], { perMessageDeflate: false });
    socket.on('open', () => resolve(socket));
    socket.on('error', reject);
  });
}

async function openMany(port: number, count: number): Promise<WebSocket[]> {
  const sockets: WebSocket[] = [];
  while (sockets.length < count) {
    const wave = Math.min(OPENING_MAX, count - sockets.length);
    sockets.push(...(await Promise.all(Array.from({ length: wave }, () => open(port)))));
  }
  return sockets;
}

async function untilServed(port: number): Promise<void> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    try {
      (await open(port)).terminate();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  throw new Error(`nobody takes sockets on port ${port}`);
}

/** Resident memory of the process and its children, in bytes. */
function residentBytes(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  const own = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  const others = children === '' ? [] : children.split(' ').map(Number);
  return Number(own ?? 0) * 1024 + others.reduce((sum, child) => sum + residentBytes(child), 0);
}

/** As many as open files allow: two for each socket, and some for everything else. */
function socketsMax(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const files = Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? 1024);
  return Math.min(10_000, Math.floor((files - SPARE_FILES) / 2));
}

async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}

async function idle(pid: number, port: number, count: number): Promise<string> {
  for (const socket of await openMany(port, Math.min(WARM_SOCKETS, count))) socket.terminate();
  await settle();
  const before = residentBytes(pid);
  const sockets = await openMany(port, count);
  await settle();
  const bytes = residentBytes(pid) - before;
  for (const socket of sockets) socket.terminate();
  const each = `${(bytes / count / 1024).toFixed(1)} KiB a socket`;
  return `${(bytes / 2 ** 20).toFixed(0)} MiB of ${count}, ${each}`;
}

/** The target, in a process of its own: its sockets are open files too. */
async function startTarget(): Promise<[child: ChildProcess, port: number]> {
  const file = new URL(import.meta.url).pathname;
  const child = spawn(process.execPath, [file, SERVE], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise<number>((resolve) => {
    child.stdout?.on('data', (text: Buffer) => resolve(Number(text)));
  });
  return [child, port];
}

async function compare(count: number): Promise<void> {
  const [target, targetPort] = await startTarget();
  for (const [at, contender] of [SLUICE, NGINX].entries()) {
    if (contender === NGINX && findProgram('nginx') === '') continue;
    const port = 18_090 + at;
    const child = contender.start(targetPort, port);
    try {
      await untilServed(port);
      console.log(`${contender.name}: ${await idle(child.pid ?? 0, port, count)}`);
    } finally {
      // Workers of nginx outlive a master that is killed.
      const exited = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await exited;
    }
  }
  target.kill();
}

const [asked] = process.argv.slice(2);
if (asked === SERVE) console.log(await listenSockets());
else await compare(Number(asked ?? socketsMax()));
rmSync(folder, { recursive: true });
