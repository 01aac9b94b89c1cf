/**
 * HTTP/2 with a whole gateway: programs and libraries of other people, clients that flood, and
 * threads that die in the middle.
 */
import { once } from 'node:events';
import { type ClientHttp2Session, connect, constants } from 'node:http2';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ClientFiles } from '../support/client-files.js';
import { freePort } from '../support/client-rig.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream, type Script } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { Http2Client } from '../support/http2-client.js';
import { frame, number32 } from '../support/http2-frames.js';
import { runProgram } from '../support/programs.js';

const LONG = Buffer.alloc(3_000_000, 'x');

const files = new ClientFiles();
const sessions: ClientHttp2Session[] = [];
const clients: Http2Client[] = [];
let upstream: FakeUpstream;
let gateway: GatewayProcess;
let securePort = 0;
let narrowPort = 0;

/** `/long` is a long reply, `/slow` one that never ends, and any other one says what came. */
const script: Script = (request, response) => {
  if (request.url === '/long') response.end(LONG);
  else if (request.url === '/slow') response.write('begin');
  else if (request.url === '/trailers') {
    response.writeHead(200, { trailer: 'x-sum' });
    response.write('body');
    response.addTrailers({ 'x-sum': '7' });
    response.end();
  } else {
    let bytes = 0;
    request.on('data', (piece: Buffer) => {
      bytes += piece.length;
    });
    request.on('end', () => response.end(`${request.method} ${request.url} ${bytes}`));
  }
};

beforeAll(async () => {
  upstream = await FakeUpstream.start(script);
  securePort = await freePort();
  narrowPort = await freePort();
  gateway = await GatewayProcess.start(
    {
      workers: 1,
      listen: [
        { name: 'plain', port: 0, protocols: ['http1', 'h2c'] },
        {
          ...{ name: 'narrow', port: narrowPort, protocols: ['h2c'] },
          http2: { maxStreams: 20, unsentBytes: '64KiB' },
        },
        { name: 'secure', port: securePort, tls: { certificates: [files.pair] } },
      ],
      limits: { bodyBytes: '64MiB' },
      upstreams: { api: { targets: [{ url: upstream.url }] } },
      routes: [{ name: 'all', match: { path: '/*' }, upstream: 'api' }],
    },
    { GATEWAY_CHAOS: '1' },
  );
});

afterEach(() => {
  for (const session of sessions.splice(0)) session.destroy();
  for (const client of clients.splice(0)) client.destroy();
});

afterAll(async () => {
  await gateway.kill();
  await upstream.close();
  files.remove();
});

function secureUrl(path: string): string {
  return `https://127.0.0.1:${securePort}${path}`;
}

function session(url = gateway.url): ClientHttp2Session {
  const made = connect(url, { rejectUnauthorized: false });
  made.on('error', () => {});
  sessions.push(made);
  return made;
}

async function rawClient(): Promise<Http2Client> {
  const client = await Http2Client.connect(gateway.port);
  clients.push(client);
  return client;
}

interface Reply {
  readonly status: number;
  readonly body: string;
  readonly trailers: Record<string, unknown>;
}

/** `body`: null for none. */
async function ask(
  to: ClientHttp2Session,
  path: string,
  body: Buffer | null = null,
): Promise<Reply> {
  const method = body === null ? 'GET' : 'POST';
  const stream = to.request({ ':path': path, ':method': method });
  stream.end(body ?? undefined);
  let text = '';
  let trailers = {};
  let status = 0;
  stream.setEncoding('latin1');
  stream.on('response', (fields) => {
    status = Number(fields[':status']);
  });
  stream.on('data', (piece: string) => {
    text += piece;
  });
  stream.on('trailers', (fields) => {
    trailers = fields;
  });
  await once(stream, 'close');
  return { status, body: text, trailers };
}

async function metric(reason: string): Promise<number> {
  const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  const line = `gateway_http2_mistakes_total{listener="plain",reason="${reason}"} `;
  return Number(
    text
      .split('\n')
      .find((one) => one.startsWith(line))
      ?.slice(line.length) ?? 0,
  );
}

describe('what one connection may do', () => {
  it('is what its listener says, and long replies come whole however little may wait', async () => {
    const narrow = session(`http://127.0.0.1:${narrowPort}`);
    await once(narrow, 'remoteSettings');
    expect(narrow.remoteSettings.maxConcurrentStreams).toBe(20);
    const replies = await Promise.all(Array.from({ length: 20 }, () => ask(narrow, '/long')));
    for (const { status, body } of replies) {
      expect([status, body.length]).toEqual([200, LONG.length]);
    }
  });

  it('is counted while it is open', async () => {
    const client = await rawClient();
    client.send(...[1, 3, 5].map((id) => client.head(id, true, [], 'GET', '/slow')));
    await client.until(/^data 5 /);
    const sample = async (name: string): Promise<number> => {
      const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
      const line = `gateway_http2_${name}{listener="plain"} `;
      return Number(
        text
          .split('\n')
          .find((one) => one.startsWith(line))
          ?.slice(line.length),
      );
    };
    await eventually('streams are counted', async () => (await sample('streams')) === 3);
    expect(await sample('connections')).toBe(1);
    const stats = (await (await fetch(`${gateway.adminUrl}/stats`)).json()) as { http2: object };
    expect(stats.http2).toMatchObject({ connections: 1, streams: 3 });
    client.destroy();
    await eventually('they are gone', async () => (await sample('streams')) === 0);
  });
});

describe('programs', () => {
  it('curl speaks it by prior knowledge, by ALPN, and not by Upgrade', async () => {
    const version = ['-s', '-k', '-o', '/dev/null', '-w', '%{http_version} %{http_code}'];
    const curl = async (...args: string[]) =>
      (await runProgram('curl', [...version, ...args])).stdout;
    expect(await curl('--http2-prior-knowledge', `${gateway.url}/a`)).toBe('2 200');
    expect(await curl('--http2', secureUrl('/a'))).toBe('2 200');
    expect(await curl('--http1.1', secureUrl('/a'))).toBe('1.1 200');
    expect(await curl('--http2', `${gateway.url}/a`)).toBe('1.1 200');
  });

  it('curl uploads and loads what is longer than every window', async () => {
    const args = ['-s', '-k', '--data-binary', '@-', secureUrl('/up')];
    const { stdout } = await runProgram('curl', args, { input: LONG });
    expect(stdout).toBe(`POST /up ${LONG.length}`);
    const loaded = await runProgram('curl', ['-s', '-k', secureUrl('/long')]);
    expect(loaded.stdout).toHaveLength(LONG.length);
  });

  it('nghttp gets several replies and trailers', async () => {
    const url = (path: string) => `${gateway.url}${path}`;
    const args = ['-v', url('/a'), url('/trailers'), url('/b')];
    const { code, stdout } = await runProgram('nghttp', args);
    expect(code).toBe(0);
    expect(stdout.match(/:status: 200/g)).toHaveLength(3);
    expect(stdout).toContain('x-sum: 7');
    expect(stdout).toContain('GET /b 0');
    expect(stdout).not.toContain('RST_STREAM');
  });

  const BODY = Buffer.alloc(300_000, 'b');
  /** What nghttp is told, and what each of its replies holds. */
  const combinations: readonly (readonly [string, readonly string[], string])[] = [
    ['padding', ['--padding=200', '/a'], 'GET /a 0'],
    ['padding of an upload', ['--padding=255', '-d', '-', '/up'], `POST /up ${BODY.length}`],
    ['trailers', ['--trailer=x-late: 1', '-d', '-', '/up'], `POST /up ${BODY.length}`],
    [
      'an upload without a length',
      ['--no-content-length', '-d', '-', '/u'],
      `POST /u ${BODY.length}`,
    ],
    [
      'an upload that waits for 100',
      ['--expect-continue', '-d', '-', '/e'],
      `POST /e ${BODY.length}`,
    ],
    ['small windows', ['-w', '14', '-W', '15', '-m', '5', '/long'], 'x'.repeat(1000)],
    ['large windows', ['-w', '30', '-W', '30', '-m', '5', '/long'], 'x'.repeat(1000)],
    ['a small table', ['--header-table-size=64', '-m', '20', '/a'], 'GET /a 0'],
    [
      'a table that shrinks',
      ['--header-table-size=8192', '--header-table-size=0', '/a'],
      'GET /a 0',
    ],
    ['no table of its own', ['--encoder-header-table-size=0', '-m', '20', '/a'], 'GET /a 0'],
    ['priorities', ['-p', '256', '-m', '10', '/a'], 'GET /a 0'],
    ['no streams to depend on', ['--no-dep', '-m', '10', '/a'], 'GET /a 0'],
    ['few streams at once', ['--max-concurrent-streams=1', '-m', '10', '/a'], 'GET /a 0'],
  ];
  describe.each([
    ['in clear text', () => gateway.url],
    ['over TLS', () => `https://127.0.0.1:${securePort}`],
  ] as const)('nghttp %s', (_, base) => {
    it.each(combinations)('with %s gets its replies whole', async (_name, told, text) => {
      const path = told.at(-1) ?? '/';
      const args = ['--no-verify-peer', ...told.slice(0, -1), `${base()}${path}`];
      const { code, stdout } = await runProgram('nghttp', args, { input: BODY });
      const times = Number(told[told.indexOf('-m') + 1] ?? 1);
      const count = told.includes('-m') ? times : 1;
      expect(code).toBe(0);
      expect(stdout.split(text).length - 1).toBeGreaterThanOrEqual(count);
      expect(stdout).toHaveLength(count * (path === '/long' ? LONG.length : text.length));
    });
  });

  it.each([
    ['plain', () => `${gateway.url}/a`],
    ['secure', () => secureUrl('/a')],
  ])('h2load gets all of many replies: %s', async (_, url) => {
    const { stdout } = await runProgram('h2load', ['-n', '1000', '-c', '5', '-m', '20', url()]);
    expect(stdout).toContain('1000 succeeded, 0 failed, 0 errored, 0 timeout');
    expect(stdout).toContain('status codes: 1000 2xx');
  });
});

describe('node:http2', () => {
  it('has many requests under way at once, of all kinds', async () => {
    const to = session(secureUrl(''));
    const replies = await Promise.all([
      ask(to, '/long'),
      ask(to, '/up', LONG),
      ask(to, '/trailers'),
      ...Array.from({ length: 80 }, (_, at) => ask(to, `/${at}`)),
    ]);
    expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 200));
    expect(replies[0]?.body).toHaveLength(LONG.length);
    expect(replies[1]?.body).toBe(`POST /up ${LONG.length}`);
    expect(replies[2]?.trailers).toMatchObject({ 'x-sum': '7' });
    expect(replies.at(-1)?.body).toBe('GET /79 0');
  });

  it('ends one request without touching another', async () => {
    const to = session();
    const slow = to.request({ ':path': '/slow' });
    await once(slow, 'data');
    slow.close(constants.NGHTTP2_CANCEL);
    await once(slow, 'close');
    expect(await ask(to, '/next')).toMatchObject({ status: 200, body: 'GET /next 0' });
    await eventually('its record says so', () =>
      gateway.find('request').some(({ target, end }) => target === '/slow' && end === 'clientLeft'),
    );
  });

  it('is told from other versions in the access log', async () => {
    await ask(session(), '/logged');
    const logged = () => gateway.find('request').find(({ target }) => target === '/logged');
    await eventually('it is logged', () => logged() !== undefined);
    expect(logged()).toMatchObject({ protocol: 'HTTP/2', status: 200 });
  });

  it('gets the refusal of an upload, and goes on', async () => {
    const to = session();
    const stream = to.request({ ':path': '/up', ':method': 'POST', 'content-length': 100_000_000 });
    stream.write(Buffer.alloc(100_000));
    const [fields] = (await once(stream, 'response')) as [Record<string, unknown>];
    expect(fields[':status']).toBe(413);
    stream.resume();
    await once(stream, 'close');
    expect(stream.rstCode).toBe(constants.NGHTTP2_NO_ERROR);
    expect(await ask(to, '/next')).toMatchObject({ status: 200 });
  });
});

/** What a flood sends in one go, and how it is called. */
const FLOODS: readonly (readonly [string, (client: Http2Client, at: number) => Buffer])[] = [
  [
    'resets',
    (c, at) => Buffer.concat([c.head(2 * at + 1, true), frame(3, 0, 2 * at + 1, number32(8))]),
  ],
  [
    'streams that are broken',
    (c, at) =>
      Buffer.concat([c.head(2 * at + 1, false, [], 'POST'), frame(8, 0, 2 * at + 1, number32(0))]),
  ],
  [
    'frames on closed streams',
    (c, at) => (at === 0 ? c.head(1, true, [['Upper', 'x']]) : frame(0, 0, 1, 'data')),
  ],
  ['refused streams', (c, at) => c.head(2 * at + 1, true, [['Upper', 'x']])],
  [
    'header blocks in parts',
    (c, at) => (at === 0 ? frame(1, 1, 1, c.head(1, true).subarray(9, 10)) : frame(9, 0, 1)),
  ],
  ['settings', () => frame(4, 0, 0)],
  ['pings', () => frame(6, 0, 0, '12345678')],
  ['acknowledgements', () => frame(6, 1, 0, '12345678')],
  ['small windows', () => frame(8, 0, 0, number32(1))],
  ['empty frames', (c, at) => (at === 0 ? c.head(1, false, [], 'POST') : frame(0, 0, 1))],
  ['priorities', () => frame(2, 0, 1, '\0\0\0\0\x10')],
  ['unknown frames', () => frame(0xbb, 0, 0)],
];

describe('a flood', () => {
  it.each(FLOODS)('of %s ends its connection, is counted and told', async (what, frames) => {
    const reason = `a flood of ${what}`;
    const before = await metric(reason);
    const client = await rawClient();
    client.send(...Array.from({ length: 1300 }, (_, at) => frames(client, at)));
    await client.until(/^goaway \d+ 11$/);
    await client.closed();
    expect(await metric(reason)).toBe(before + 1);
    const told = () => gateway.records().filter((record) => record['reason'] === reason);
    await eventually('the log tells', () => told().length > 0);
    expect(told()).toMatchObject([{ level: 'info', listener: 'plain' }]);
    // Nothing of it is left, and others are served.
    expect(await (await fetch(`${gateway.url}/other`)).text()).toBe('GET /other 0');
  });

  it('of bytes in a header block ends its connection', async () => {
    const client = await rawClient();
    client.send(
      frame(1, 1, 1),
      ...Array.from({ length: 10 }, () => frame(9, 0, 1, Buffer.alloc(16_384))),
    );
    await client.until(/^goaway \d+ 11$/);
    expect(await metric('a header block too large')).toBe(1);
  });

  it('of fields that are large only when they are unpacked is refused', async () => {
    const client = await rawClient();
    const bomb = client.head(
      1,
      true,
      Array.from({ length: 60 }, () => ['x-bomb', 'y'.repeat(900)]),
    );
    expect(bomb.length).toBeLessThan(3000);
    client.send(
      bomb,
      client.head(
        3,
        true,
        Array.from({ length: 500 }, () => ['x', 'y']),
      ),
    );
    for (const id of [1, 3])
      expect(await client.until(new RegExp(`^headers ${id} `))).toContain(':status=431');
    expect(await client.get(5)).toBe('GET /5 0');
  });
});

describe('a thread that dies', () => {
  async function inject(path: string): Promise<void> {
    const reply = await fetch(`${gateway.adminUrl}/chaos/${path}`, { method: 'POST' });
    expect(reply.status).toBe(202);
  }

  it('as a worker resets replies that have begun, and answers the others', async () => {
    const client = await rawClient();
    client.send(client.head(1, false, [], 'POST'), client.data(1, 'begin'));
    const to = session();
    const slow = to.request({ ':path': '/slow' });
    await once(slow, 'data');
    await inject('worker/0/exit');
    await expect(once(slow, 'close')).rejects.toThrow('INTERNAL_ERROR');
    expect(slow.rstCode).toBe(constants.NGHTTP2_INTERNAL_ERROR);
    expect(await client.until(/^headers 1 /)).toContain(':status=502');
    await eventually('it is replaced', async () => (await ask(to, '/next')).status === 200);
  });

  it('as an acceptor takes its connections along, and is replaced', async () => {
    const client = await rawClient();
    client.send(client.head(1, false, [], 'POST'), client.data(1, 'begin'));
    await client.until('settings ack');
    await inject('acceptor/0/exit');
    await client.closed();
    await eventually('it is replaced', async () => {
      const next = await Http2Client.connect(gateway.port).catch(() => null);
      if (next === null) return false;
      clients.push(next);
      return (await next.get(1)) === 'GET /1 0';
    });
  });
});

describe('a gateway that stops', () => {
  it('finishes what has begun, and takes nothing more', async () => {
    const client = await rawClient();
    client.send(client.head(1, false, [], 'POST'), client.data(1, 'begin'));
    await client.until('settings ack');
    gateway.child.kill('SIGTERM');
    await client.until(/^goaway 2147483647 0$/);
    await client.until('goaway 1 0');
    client.send(client.data(1, ' and end', true));
    await client.ended(1);
    expect(client.bodies.get(1)).toBe('POST /1 13');
    await client.closed();
    await gateway.exited;
    expect(gateway.exitCode).toBe(0);
  });
});
