/**
 * A gateway that is a workload among workloads (SPIFFE): its agent is a fake one, everything else
 * is real. One gateway goes through it all, from a start without an agent on.
 */
import { createSecureServer } from 'node:http2';
import { Agent, createServer, get, type RequestOptions } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { eventually } from '../support/eventually.js';
import { FakeWorkloadApi, fakeSvid } from '../support/fake-workload-api.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { SvidAuthority } from '../support/svid-authority.js';
import type { TestCertificate } from '../support/test-certificate.js';

const td = new SvidAuthority('td');
const partner = new SvidAuthority('partner.test');
const FEDERATED = { 'spiffe://partner.test': partner.bundle };
const LISTENER = { trustDomains: ['td', 'partner.test'] };

/** IDs that the authority of `td` has signed, and that are none. */
const LOOK_ALIKES = [
  'spiffe://td/orders/',
  'spiffe://td//orders',
  'spiffe://td/./orders',
  'spiffe://td/orders?',
  'spiffe://td/orders?a=b',
  'spiffe://td/orders#a',
  'spiffe://td:443/orders',
  'spiffe://user@td/orders',
  'spiffe://TD/orders',
  'SPIFFE://td/orders',
  'spiffe://td/%6frders',
  'spiffe://td',
  'https://td/orders',
];

const agent = new FakeWorkloadApi();
const servers: Server[] = [];
/** What the targets have seen: serial numbers of the gateway's certificates, resumed sessions. */
const seen = { serials: new Set<string>(), ids: new Set<string>(), resumed: 0, connections: 0 };
let gateway: GatewayProcess;
let securePort = 0;

function watch(server: Server): void {
  servers.push(server);
  server.on('secureConnection', (socket: TLSSocket) => {
    const certificate = socket.getPeerX509Certificate();
    seen.serials.add(certificate?.serialNumber ?? '');
    seen.ids.add(certificate?.subjectAltName ?? '');
    seen.connections += 1;
    if (socket.isSessionReused()) seen.resumed += 1;
  });
}

async function listen(server: Server): Promise<number> {
  watch(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

const asking = { requestCert: true, rejectUnauthorized: true, ca: [td.cert] };

/** A target that asks for certificates of `td`, and closes where it is told to. */
async function target(pair: TestCertificate): Promise<string> {
  const server = createServer({ ...pair, ...asking }, (request, response) => {
    if (request.url?.includes('close')) response.shouldKeepAlive = false;
    response.end('hello');
  });
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => socket.on('message', (text) => socket.send(`${text}!`)));
  return `https://127.0.0.1:${await listen(server)}`;
}

async function http2Target(pair: TestCertificate): Promise<string> {
  const server = createSecureServer({ ...pair, ...asking }, (request, response) => {
    response.end(request.httpVersion);
  });
  return `https://127.0.0.1:${await listen(server)}`;
}

interface Named {
  readonly name: string;
  readonly url: string;
  readonly spiffe: unknown;
  readonly more?: object;
}

const upstreams = async (): Promise<Named[]> => {
  const sign = (...names: string[]) => td.sign({ names: names.map((name) => `URI:${name}`) });
  const orders = await target(td.svid('/orders'));
  const stock = await target(partner.svid('/stock'));
  const stolen = partner.sign({ names: ['URI:spiffe://td/orders'] });
  const claimed = td.sign({ names: ['URI:spiffe://partner.test/stock'] });
  const id = 'spiffe://td/orders';
  const list: Named[] = [
    { name: 'orders', url: orders, spiffe: { id } },
    { name: 'any', url: orders, spiffe: true },
    { name: 'one-of', url: orders, spiffe: { ids: ['spiffe://td/x', id] } },
    { name: 'domain', url: orders, spiffe: { trustDomain: 'td' } },
    {
      name: 'h2',
      url: await http2Target(td.svid('/orders')),
      spiffe: { id },
      more: { protocol: 'h2' },
    },
    { name: 'stock', url: stock, spiffe: { id: 'spiffe://partner.test/stock' } },
    { name: 'wrong-id', url: orders, spiffe: { id: 'spiffe://td/order' } },
    {
      name: 'wrong-h2',
      url: await http2Target(td.svid('/b')),
      spiffe: { id },
      more: { protocol: 'h2' },
    },
    { name: 'wrong-domain', url: stock, spiffe: true },
    { name: 'stolen', url: await target(stolen), spiffe: { id } },
    { name: 'claimed', url: await target(claimed), spiffe: { trustDomain: 'partner.test' } },
    { name: 'unknown', url: orders, spiffe: { trustDomain: 'nobody.test' } },
    { name: 'expired', url: await target(td.svid('/orders', { days: -1 })), spiffe: true },
    { name: 'two', url: await target(sign(id, 'spiffe://td/b')), spiffe: true },
    { name: 'dns', url: await target(td.sign({ names: ['DNS:localhost'] })), spiffe: true },
    {
      name: 'client-only',
      url: await target(td.svid('/orders', { purposes: ['clientAuth'] })),
      spiffe: true,
    },
    {
      name: 'authority',
      url: await target(td.svid('/orders', { ca: true })),
      spiffe: true,
    },
  ];
  for (const [at, one] of LOOK_ALIKES.entries()) {
    list.push({ name: `alike${at}`, url: await target(sign(one)), spiffe: true });
  }
  return list;
};

beforeAll(async () => {
  const list = await upstreams();
  gateway = await GatewayProcess.start({
    workers: 1,
    listen: [
      { name: 'plain', port: 0 },
      { name: 'secure', port: 0, tls: { spiffe: LISTENER } },
    ],
    spiffe: { endpoint: agent.endpoint },
    upstreams: Object.fromEntries(
      list.map(({ name, url, spiffe, more }) => [
        name,
        { targets: [{ url, tls: { spiffe } }], retry: { attempts: 0 }, ...more },
      ]),
    ),
    authenticators: {
      workloads: {
        type: 'clientCertificate',
        clients: [
          { id: 'billing', spiffeId: 'spiffe://td/billing' },
          { id: 'stock', spiffeId: 'spiffe://partner.test/stock' },
        ],
      },
    },
    routes: [
      { name: 'fixed', match: { path: '/fixed' }, respond: { status: 200, body: 'fixed' } },
      {
        name: 'who',
        match: { path: '/who' },
        authenticate: ['workloads'],
        respond: { status: 200, body: 'known' },
      },
      ...list.map(({ name }) => ({ name, match: { path: `/${name}/*` }, upstream: name })),
    ],
  });
  const [started] = gateway.find('gateway started');
  const listeners = started?.['listeners'] as { name: string; address: string }[] | undefined;
  const secure = listeners?.find(({ name }) => name === 'secure');
  securePort = Number(secure?.address.split(':').at(-1));
}, 60_000);

afterAll(async () => {
  await gateway?.stop();
  agent.remove();
  for (const server of servers) {
    server.close();
    if ('closeAllConnections' in server) (server.closeAllConnections as () => void)();
  }
});

async function ask(name: string, rest = 'a'): Promise<string> {
  const reply = await fetch(`${gateway.url}/${name}/${rest}`);
  const text = await reply.text();
  return reply.status === 200
    ? text
    : `${reply.status} ${/"code":"(\w+)"/.exec(text)?.[1] ?? text}`;
}

const ready = async (): Promise<{ status: number; body: Record<string, unknown> }> => {
  const reply = await fetch(`${gateway.adminUrl}/readyz`);
  return { status: reply.status, body: (await reply.json()) as Record<string, unknown> };
};

interface SpiffeRow {
  readonly id: string | null;
  readonly rotations: number;
  readonly seconds_left: number;
}
const spiffeRow = async (): Promise<SpiffeRow> =>
  (await gateway.stats<{ spiffe: SpiffeRow }>()).spiffe;

/** A request over TLS by a client that is a workload, over a connection of its own. */
function call(path: string, options: RequestOptions): Promise<string> {
  return new Promise((resolve) => {
    const request = get(
      { host: '127.0.0.1', port: securePort, path, agent: new Agent(), ...trusting, ...options },
      (response) => {
        response.resume();
        response.on('end', () => resolve(String(response.statusCode)));
      },
    );
    request.on('error', () => resolve('refused'));
  });
}

/** It believes whoever has an ID of `td`: there are no host names in the certificate. */
const trusting: ConnectionOptions = { ca: [td.cert], checkServerIdentity: () => undefined };

async function identified(): Promise<void> {
  await eventually('the gateway has an identity', async () => (await spiffeRow()).id !== null);
  await eventually('its workers know', async () => (await ask('orders')) === 'hello');
}

describe('a gateway without an agent', () => {
  it('serves what needs no identity, and says what it lacks', async () => {
    expect(await ask('orders')).toBe('503 GW_UPSTREAM_NO_IDENTITY');
    expect(await ask('h2')).toBe('503 GW_UPSTREAM_NO_IDENTITY');
    expect(await (await fetch(`${gateway.url}/fixed`)).text()).toBe('fixed');
    expect(await call('/who', td.svid('/billing'))).toBe('refused');
    const { status: code, body } = await ready();
    expect(code).toBe(503);
    expect(body).toMatchObject({
      status: 'no identity',
      spiffe: { agent: 'lost', id: null, lack: expect.stringContaining('ENOENT') },
    });
    // It is no fault of the target: its breaker stays closed.
    for (let count = 0; count < 10; count++) await ask('orders');
    expect(await ask('orders')).toBe('503 GW_UPSTREAM_NO_IDENTITY');
  });

  it('has one as soon as the agent is there', async () => {
    agent.say({ svids: [fakeSvid(td, '/gateway')], federated_bundles: FEDERATED });
    await agent.start();
    await identified();
    expect(await ready()).toMatchObject({ status: 200, body: { spiffe: { agent: 'up' } } });
    expect((await spiffeRow()).seconds_left).toBeGreaterThan(80_000);
  });
});

describe('a target', () => {
  it.each(['orders', 'any', 'one-of', 'domain', 'stock'])('is believed: %s', async (name) => {
    expect(await ask(name)).toBe('hello');
  });

  it('is believed over HTTP/2, and over a WebSocket', async () => {
    expect(await ask('h2')).toBe('2.0');
    const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/orders/socket`);
    const answer = await new Promise((resolve, reject) => {
      socket.on('open', () => socket.send('hi'));
      socket.on('message', (text) => resolve(String(text)));
      socket.on('error', reject);
    });
    socket.terminate();
    expect(answer).toBe('hi!');
  });

  it('sees who the gateway is', () => {
    expect([...seen.ids]).toEqual(['URI:spiffe://td/gateway']);
  });

  it.each([
    ['wrong-id', 'GW_UPSTREAM_SPIFFE_ID'],
    ['wrong-h2', 'GW_UPSTREAM_SPIFFE_ID'],
    ['two', 'GW_UPSTREAM_SPIFFE_ID'],
    ['dns', 'GW_UPSTREAM_SPIFFE_ID'],
    ['authority', 'GW_UPSTREAM_SPIFFE_ID'],
    ['wrong-domain', 'GW_UPSTREAM_CERTIFICATE_UNTRUSTED'],
    ['stolen', 'GW_UPSTREAM_CERTIFICATE_UNTRUSTED'],
    ['claimed', 'GW_UPSTREAM_CERTIFICATE_SELF_SIGNED'],
    ['expired', 'GW_UPSTREAM_CERTIFICATE_EXPIRED'],
    ['client-only', 'GW_UPSTREAM_CERTIFICATE_INVALID'],
  ])('is refused: %s', async (name, code) => {
    expect(await ask(name)).toBe(`502 ${code}`);
  });

  it('of a trust domain without a bundle is not asked', async () => {
    expect(await ask('unknown')).toBe('503 GW_UPSTREAM_NO_IDENTITY');
  });

  it.each(LOOK_ALIKES.map((id, at) => [id, at] as const))('is refused: %s', async (_id, at) => {
    expect(await ask(`alike${at}`)).toBe('502 GW_UPSTREAM_SPIFFE_ID');
  });

  it('is judged at each connection: no session is taken up', async () => {
    const before = seen.connections;
    for (let count = 0; count < 4; count++) expect(await ask('orders', 'close')).toBe('hello');
    expect(seen.connections).toBeGreaterThanOrEqual(before + 3);
    expect(seen.resumed).toBe(0);
  });
});

describe('a client', () => {
  it('is known by its ID, of each trust domain', async () => {
    expect(await call('/who', td.svid('/billing'))).toBe('200');
    expect(await call('/who', partner.svid('/stock'))).toBe('200');
    expect(await call('/who', td.svid('/stranger'))).toBe('401');
  });

  it.each<[string, () => TestCertificate | object]>([
    ['without a certificate', () => ({})],
    ['that has expired', () => td.svid('/billing', { days: -1 })],
    [
      'of td with an ID of the partner',
      () => td.sign({ names: ['URI:spiffe://partner.test/stock'] }),
    ],
    ['of the partner with an ID of td', () => partner.sign({ names: ['URI:spiffe://td/billing'] })],
    ['of an unknown trust domain', () => td.sign({ names: ['URI:spiffe://nobody.test/a'] })],
    ['with two IDs', () => td.sign({ names: ['URI:spiffe://td/billing', 'URI:spiffe://td/b'] })],
    ['with a name of a host', () => td.sign({ names: ['DNS:billing'] })],
    ['that may sign', () => td.svid('/billing', { keyUsage: ['digitalSignature', 'keyCertSign'] })],
    ['that only serves', () => td.svid('/billing', { purposes: ['serverAuth'] })],
    ...LOOK_ALIKES.map((id): [string, () => TestCertificate] => [
      id,
      () => td.sign({ names: [`URI:${id}`] }),
    ]),
  ])('does not get in: %s', async (_what, pair) => {
    expect(await call('/who', pair())).toBe('refused');
  });

  it('gets no session that it could take up', { timeout: 20_000 }, async () => {
    const pair = td.svid('/billing');
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const options = { ...trusting, ...pair, minVersion: version, maxVersion: version };
      const session = await sessionOf(options);
      await sessionOf({ ...options, ...(session !== null && { session }) });
    }
  });
});

/** What a client offers the next time; null: nothing. Rejects when it was resumed this time. */
function sessionOf(options: ConnectionOptions): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    let session: Buffer | null = null;
    const socket = connect({ host: '127.0.0.1', port: securePort, ...options });
    socket.on('session', (one) => {
      session = one;
    });
    socket.on('secureConnect', () => {
      if (socket.isSessionReused()) reject(new Error('resumed'));
      socket.write('GET /who HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    });
    socket.resume();
    socket.on('error', reject);
    socket.on('close', () => resolve(session));
  });
}

describe('an identity that changes', () => {
  it('under traffic both ways fails no request', async () => {
    const answers = new Map<string, number>();
    const count = (answer: string): void =>
      void answers.set(answer, (answers.get(answer) ?? 0) + 1);
    const client = td.svid('/billing');
    let isOver = false;
    const loop = async (once: () => Promise<string>): Promise<void> => {
      while (!isOver) count(await once());
    };
    const loops = [
      ...[1, 2, 3].map(() => loop(() => ask('orders'))),
      loop(() => ask('h2')),
      loop(() => ask('any', 'close')),
      loop(() => call('/who', client)),
    ];
    const { rotations } = await spiffeRow();
    for (let turn = 1; turn <= 4; turn++) {
      const known = seen.serials.size;
      agent.say({ svids: [fakeSvid(td, '/gateway')], federated_bundles: FEDERATED });
      await eventually('the target sees another', () => seen.serials.size > known);
    }
    expect((await spiffeRow()).rotations).toBe(rotations + 4);
    isOver = true;
    await Promise.all(loops);
    expect([...answers.keys()].sort()).toEqual(['2.0', '200', 'hello']);
  }, 60_000);

  it('is used no more when the agent takes it back', async () => {
    agent.say({ refusal: { code: status.PERMISSION_DENIED, details: 'no identity issued' } });
    await eventually('nobody is asked', async () =>
      (await ask('orders')).includes('GW_UPSTREAM_NO_IDENTITY'),
    );
    await eventually(
      'nobody gets in',
      async () => (await call('/who', td.svid('/billing'))) === 'refused',
    );
    // What needs none goes on, and so does the gateway.
    expect(await ready()).toMatchObject({ status: 200, body: { spiffe: { id: null } } });
    agent.say({ svids: [fakeSvid(td, '/gateway')], federated_bundles: FEDERATED });
    await identified();
    await eventually(
      'clients get in',
      async () => (await call('/who', td.svid('/billing'))) === '200',
    );
  });

  it('believes a partner no more when its bundle is taken back', async () => {
    agent.say({ svids: [fakeSvid(td, '/gateway')] });
    await eventually('the target is not asked', async () =>
      (await ask('stock')).includes('GW_UPSTREAM_NO_IDENTITY'),
    );
    await eventually(
      'the client does not get in',
      async () => (await call('/who', partner.svid('/stock'))) === 'refused',
    );
    expect(await call('/who', td.svid('/billing'))).toBe('200');
  });

  it('goes on while the agent is away', async () => {
    agent.stop();
    await eventually('the loss is shown', async () => {
      const { body } = await ready();
      return (body['spiffe'] as { agent?: string }).agent === 'lost';
    });
    expect(await ask('orders', 'close')).toBe('hello');
    expect(await call('/who', td.svid('/billing'))).toBe('200');
  });
});
