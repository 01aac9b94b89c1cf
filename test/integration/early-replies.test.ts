/**
 * Replies that come before the end of an upload reach their clients, whatever these do first:
 * Node's fetch and http, curl, Python's http.client, and a socket that sends all before it reads.
 */
import { execFile } from 'node:child_process';
import { createServer, request } from 'node:http';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GatewayProcess } from '../support/gateway-process.js';
import { rawExchange } from '../support/raw-exchange.js';

const run = promisify(execFile);
const MIB = 1024 * 1024;
/** As many replies of each case have to be seen. */
const TIMES = 4;
const LONG_BODY_BYTES = 300_000;

const PYTHON = `
import http.client, sys
port, path, size = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
connection = http.client.HTTPConnection('127.0.0.1', port)
connection.request('POST', path, b'x' * size)
reply = connection.getresponse()
print(reply.status, len(reply.read()) > 0)
`;

type Send = (path: string, bytes: number) => Promise<string>;

let gateway: GatewayProcess;
let target: ReturnType<typeof createServer>;

/** A target that answers when it has the head, and reads the rest as slowly as it is left. */
async function anImpatientTarget(): Promise<number> {
  target = createServer((asked, answer) => {
    const isLong = asked.url === '/target/long';
    const body = isLong ? 'y'.repeat(LONG_BODY_BYTES) : 'who are you?';
    answer.writeHead(isLong ? 403 : 401, { 'content-length': body.length });
    answer.end(body);
  });
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve));
  const address = target.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

beforeAll(async () => {
  const port = await anImpatientTarget();
  gateway = await GatewayProcess.start({
    workers: 1,
    logging: { accessLog: false },
    limits: { bodyBytes: '64MiB' },
    authenticators: { keys: { type: 'apiKey', keys: [{ id: 'ann', sha256: 'a'.repeat(64) }] } },
    upstreams: { api: { targets: [{ url: `http://127.0.0.1:${port}` }] } },
    routes: [
      { name: 'key', match: { path: '/key' }, upstream: 'api', authenticate: ['keys'] },
      {
        name: 'limited',
        match: { path: '/limited' },
        upstream: 'api',
        rateLimit: { limit: 1, window: '24h', key: 'route' },
      },
      { name: 'fixed', match: { path: '/fixed' }, respond: { status: 200, body: 'fixed' } },
      { name: 'target', match: { path: '/target/*' }, upstream: 'api' },
    ],
  });
});

afterAll(async () => {
  await gateway.stop();
  expect(gateway.find('internal error')).toEqual([]);
  target.close();
});

const viaFetch: Send = async (path, bytes) => {
  const body = Buffer.alloc(bytes, 'x');
  const reply = await fetch(gateway.url + path, { method: 'POST', body });
  return `${reply.status} ${(await reply.text()).length > 0 ? 'True' : 'False'}`;
};

const viaNode: Send = (path, bytes) =>
  new Promise((resolve, reject) => {
    const headers = { 'content-length': bytes };
    const { port } = gateway;
    const sent = request({ port, host: '127.0.0.1', path, method: 'POST', headers }, (reply) => {
      let length = 0;
      reply.on('data', (chunk: Buffer) => {
        length += chunk.length;
      });
      reply.on('end', () => resolve(`${reply.statusCode} ${length > 0 ? 'True' : 'False'}`));
      reply.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(Buffer.alloc(bytes, 'x'));
  });

const viaCurl: Send = async (path, bytes) => {
  const script = `head -c ${bytes} /dev/zero | curl -s -S -o /dev/null -H Expect: \
    -w '%{http_code} %{size_download}' --data-binary @- ${gateway.url}${path}`;
  const { stdout } = await run('sh', ['-c', script]);
  const [status, length] = stdout.split(' ');
  return `${status} ${Number(length) > 0 ? 'True' : 'False'}`;
};

const viaPython: Send = async (path, bytes) => {
  const args = ['-c', PYTHON, String(gateway.port), path, String(bytes)];
  return (await run('python3', args)).stdout.trim();
};

/** Sends everything, waits, and only then reads a whole reply. */
const viaSocket: Send = async (path, bytes) => {
  const head = `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes}\r\n\r\n`;
  const reply = await rawExchange(gateway.port, [head, Buffer.alloc(bytes, 'x')], {
    waitMsMax: 20_000,
    until: /\r\n\r\n(who are you\?|[\s\S]*\r\n0\r\n\r\n|fixed|\{[\s\S]*\}\n)$/,
  });
  return `${reply.status} ${/\r\n\r\n./.test(reply.text) ? 'True' : 'False'}`;
};

const CLIENTS: readonly (readonly [string, Send])[] = [
  ['fetch', viaFetch],
  ['node:http', viaNode],
  ['curl', viaCurl],
  ['http.client', viaPython],
  ['a socket', viaSocket],
];

describe.each(CLIENTS)('%s hears', (_name, send) => {
  it.each([
    [401, '/key', [300_000, 3 * MIB, 30 * MIB]],
    [404, '/nowhere', [300_000, 3 * MIB, 30 * MIB]],
    [413, '/fixed', [65 * MIB, 100 * MIB]],
    [200, '/fixed', [300_000, 3 * MIB, 30 * MIB]],
    [401, '/target/short', [300_000, 3 * MIB, 30 * MIB]],
  ])(
    '%d of %s, each time',
    async (status, path, sizes) => {
      for (const size of sizes) {
        const seen: string[] = [];
        const times = size > 10 * MIB ? 2 : TIMES;
        for (let time = 0; time < times; time += 1) seen.push(await send(path, size));
        expect([size, seen]).toEqual([size, Array.from({ length: times }, () => `${status} True`)]);
      }
    },
    120_000,
  );

  it('429, each time', async () => {
    await fetch(`${gateway.url}/limited`);
    for (const size of [300_000, 3 * MIB, 30 * MIB]) {
      expect([size, await send('/limited', size)]).toEqual([size, '429 True']);
    }
  }, 60_000);
});

describe('a long reply before the end of an upload', () => {
  it.each([
    ['fetch', viaFetch],
    ['node:http', viaNode],
    ['curl', viaCurl],
  ] as const)(
    'comes to %s',
    async (_name, send) => {
      for (let time = 0; time < TIMES; time += 1) {
        expect(await send('/target/long', 5 * MIB)).toBe('403 True');
      }
    },
    60_000,
  );
});
