/**
 * What clients may speak at which listener, by engine: tried with real gateways, and held against
 * the table in docs/protocols.md. `UPDATE_GOLDEN=1` writes what is so now. Where the native library
 * does not load, its cells are not tried, and a skipped test says which.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, expect, it } from 'vitest';
import { missingBinary } from '../support/engines.js';
import { eventually } from '../support/eventually.js';
import { MAIN_FILE } from '../support/gateway-process.js';
import { makeCertificate } from '../support/test-certificate.js';
import { RawTarget } from '../support/websocket-peers.js';

const PAGE = new URL('../../docs/protocols.md', import.meta.url);
const TABLE = /\| listener [\s\S]*?\n\n/;
const ENGINES = ['wire', 'uws'] as const;

const folder = mkdtempSync(join(tmpdir(), 'sluice-protocols-'));
const { cert, key } = makeCertificate();
writeFileSync(join(folder, 'cert.pem'), cert);
writeFileSync(join(folder, 'key.pem'), key);
const unixSocket = join(folder, 'gateway.sock');

afterAll(() => rmSync(folder, { recursive: true }));

interface Kind {
  readonly name: string;
  readonly listen: Readonly<Record<string, unknown>>;
  /** What comes before the first request. */
  readonly intro?: Buffer;
  readonly isSecure?: boolean;
}

const V1 = Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n');
const V2 = Buffer.concat([
  Buffer.from('\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c', 'latin1'),
  Buffer.from([192, 0, 2, 8, 198, 51, 100, 1, 0x12, 0x34, 0, 80]),
]);
const behind = { trustedProxies: ['127.0.0.1'] };
const tls = { certificates: [{ cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }] };

const KINDS: readonly Kind[] = [
  { name: 'TCP', listen: {} },
  { name: 'TCP, TLS', listen: { tls }, isSecure: true },
  { name: 'TCP, `h2c`', listen: { protocols: ['http1', 'h2c'] } },
  { name: 'TCP, PROXY protocol 1', listen: { ...behind, proxyProtocol: 'v1' }, intro: V1 },
  { name: 'TCP, PROXY protocol 2', listen: { ...behind, proxyProtocol: 'v2' }, intro: V2 },
  { name: 'Unix socket', listen: { unixSocket } },
  { name: 'socket of systemd', listen: { systemdSocket: 'web' } },
];

const HOST = 'Host: localhost\r\nConnection: close\r\n';
const PROTOCOLS = {
  'HTTP/1.1': `GET / HTTP/1.1\r\n${HOST}\r\n`,
  'HTTP/1.1, chunked upload': `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n`,
  'HTTP/1.0': 'GET / HTTP/1.0\r\n\r\n',
  // SETTINGS, and GET / of localhost by the static table (RFC 7541 A).
  'HTTP/2':
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0' +
    '\0\0\x0e\x01\x05\0\0\0\x01\x82\x86\x84\x41\x09localhost',
  WebSocket:
    'GET /socket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
    `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${'A'.repeat(22)}==\r\n\r\n`,
} as const;

/** HEADERS of the first stream, with the entry of the static table for 200. */
const REPLY_OF_HTTP2 = '\x01\x04\0\0\0\x01\x88';

type Engine = (typeof ENGINES)[number];
type Row = Readonly<Record<keyof typeof PROTOCOLS, string>>;

const target = await RawTarget.start();
afterAll(() => target.close());

const missing = missingBinary();
const written = rowsOf(readFileSync(PAGE, 'utf8'));

if (missing !== '') {
  const texts = KINDS.filter(needsLibrary).map(({ name }) => `${name}, uws (NOT RUN: ${missing})`);
  for (const text of texts) {
    console.warn(text);
    it.skip(text);
  }
}

it('are what the page says', { timeout: 120_000 }, async () => {
  const lines = ['| listener | protocol | `wire` | `uws` |', '| --- | --- | --- | --- |'];
  for (const kind of KINDS) {
    const rows: Partial<Record<Engine, Row>> = {};
    for (const engine of ENGINES) {
      const isTried = engine !== 'uws' || missing === '' || !needsLibrary(kind);
      if (isTried) rows[engine] = await tried(kind, engine);
      else rows.uws = everywhere((protocol) => written.get(`${kind.name} | ${protocol}`) ?? '');
    }
    for (const protocol of Object.keys(PROTOCOLS) as (keyof typeof PROTOCOLS)[]) {
      const cells = ENGINES.map((engine) => rows[engine]?.[protocol] ?? '');
      lines.push(`| ${kind.name} | ${protocol} | ${cells.join(' | ')} |`);
    }
  }
  const page = readFileSync(PAGE, 'utf8');
  const found = page.replace(TABLE, () => `${lines.join('\n')}\n\n`);
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(PAGE, found);
  else expect(page).toBe(found);
});

/** All others are refused by the configuration, before the library is looked for. */
function needsLibrary({ name }: Kind): boolean {
  return name === 'TCP';
}

/** What a page says of uws, by listener and protocol. */
function rowsOf(page: string): ReadonlyMap<string, string> {
  const lines = TABLE.exec(page)?.[0].split('\n') ?? [];
  return new Map(
    lines.map((line) => {
      const [listener = '', protocol = '', , uws = ''] = line.slice(2, -2).split(' | ');
      return [`${listener} | ${protocol}`, uws];
    }),
  );
}

/** Starts a gateway with such a listener, and asks it by each protocol. */
async function tried(kind: Kind, engine: Engine): Promise<Row> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port: bound } = server.address() as AddressInfo;
  const gateway = start(kind, engine, server);
  // The gateway has the socket as well: this process must take none of its connections.
  server.close();
  let log = '';
  let errors = '';
  gateway.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  gateway.stdout?.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  const exited = new Promise<void>((done) => gateway.on('close', () => done()));
  try {
    await eventually(
      'it serves, or ends',
      () => /"gateway started"/.test(log) || hasEnded(gateway),
    );
    if (hasEnded(gateway)) {
      await exited;
      return refusal(errors);
    }
    const own = Number(/"port":(\d+)/.exec(log.slice(log.lastIndexOf('"version"')))?.[1]);
    const port = isInherited(kind) ? bound : own;
    const row: Record<string, string> = {};
    for (const [protocol, bytes] of Object.entries(PROTOCOLS)) {
      row[protocol] = await answerTo(kind, port, Buffer.from(bytes, 'latin1'));
    }
    return everywhere((protocol) => row[protocol] ?? '');
  } finally {
    gateway.kill('SIGKILL');
    await exited;
  }
}

/** There is no such listener with this engine; nothing else may be wrong. */
function refusal(errors: string): Row {
  expect(errors).toMatch(/^listen\.\w+(?:\[\d+\])?: the engine "\w+" has no [^\n]*\n$/);
  return everywhere(() => 'no such listener');
}

const isInherited = ({ listen }: Kind): boolean => 'systemdSocket' in listen;
const hasEnded = ({ exitCode }: ChildProcess): boolean => exitCode !== null;

function everywhere(cell: (protocol: keyof typeof PROTOCOLS) => string): Row {
  const names = Object.keys(PROTOCOLS) as (keyof typeof PROTOCOLS)[];
  return Object.fromEntries(names.map((name) => [name, cell(name)])) as Row;
}

function start({ listen, name }: Kind, engine: Engine, server: Server): ChildProcess {
  const file = join(folder, 'sluice.json');
  const config = {
    listen: { ...(/^TCP/.test(name) && { host: '127.0.0.1', port: 0 }), ...listen, engine },
    ...{ admin: { port: 0 }, workers: 1, logging: { accessLog: false } },
    upstreams: { api: { targets: [{ url: target.url }] } },
    routes: [
      { name: 'all', match: { path: '/*' }, respond: { body: 'ok' } },
      { name: 'socket', match: { path: '/socket' }, upstream: 'api' },
    ],
  };
  writeFileSync(file, JSON.stringify(config));
  const { fd } = (server as unknown as { readonly _handle: { readonly fd: number } })._handle;
  // The process has the same id before and after exec.
  const script = `LISTEN_PID=$$ exec "$0" "$1" run -c "$2"`;
  return spawn('sh', ['-c', script, process.execPath, MAIN_FILE, file], {
    env: { ...process.env, LISTEN_FDS: '1', LISTEN_FDNAMES: 'web', GATEWAY_ENGINE: engine },
    stdio: ['ignore', 'pipe', 'pipe', fd],
  });
}

/** `yes`, or what the client gets in place of its reply. */
async function answerTo(kind: Kind, port: number, bytes: Buffer): Promise<string> {
  const text = await exchange(kind, port, bytes);
  if (text.includes(REPLY_OF_HTTP2)) return 'yes';
  const status = /^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? '';
  if (status === '200' || status === '101') return 'yes';
  return status === '' ? 'no: closed' : `no: ${status}`;
}

function exchange({ listen, intro, isSecure }: Kind, port: number, bytes: Buffer): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const raw = 'unixSocket' in listen ? connect(unixSocket) : connect(port, '127.0.0.1');
    const ALPNProtocols = bytes.toString('latin1', 0, 3) === 'PRI' ? ['h2'] : ['http/1.1'];
    const secure = { socket: raw, servername: 'localhost', ca: cert, ALPNProtocols };
    const socket: Socket = isSecure === true ? connectTls(secure) : raw;
    for (const one of new Set([raw, socket])) one.on('error', () => {});
    socket.on('data', (piece: Buffer) => {
      text += piece.toString('latin1');
      // An engine may keep the connection.
      if (/^HTTP\/1\.1 \d{3}/.test(text) || text.includes(REPLY_OF_HTTP2)) socket.destroy();
    });
    socket.on('close', () => resolve(text));
    socket.write(Buffer.concat([intro ?? Buffer.alloc(0), bytes]));
  });
}
