/** Connections that a reload or the end of the gateway meets before or between their requests. */
import type { ServerResponse } from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { ClientFiles } from '../support/client-files.js';
import { freePort } from '../support/client-rig.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';

const TOKEN = 'a-token-for-the-admin-listener';

let upstream: FakeUpstream;
let files: ClientFiles;
let gateway: GatewayProcess;

beforeAll(async () => {
  files = new ClientFiles();
  upstream = await FakeUpstream.start();
});

afterEach(() => gateway.kill());

afterAll(async () => {
  await upstream.close();
  files.remove();
});

function aConfig(listen: object): Record<string, unknown> {
  return {
    ...{ listen, admin: { port: 0, token: TOKEN }, workers: 1, reload: { watch: false } },
    upstreams: { api: { targets: [{ url: upstream.url }] } },
    routes: [{ name: 'all', match: { path: '/*' }, upstream: 'api' }],
  };
}

/** A socket that keeps what it reads, and whether it was closed. */
class Client {
  text = '';
  isClosed = false;

  constructor(readonly socket: Socket) {
    socket.setEncoding('latin1').on('data', (text: string) => {
      this.text += text;
    });
    socket
      .on('error', () => {})
      .on('close', () => {
        this.isClosed = true;
      });
  }

  ask(path: string): void {
    this.socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  }

  async has(text: string): Promise<void> {
    await eventually(`it reads ${text}`, () => this.text.includes(text));
  }
}

it('without TLS end behind what they have when their listener gets TLS', async () => {
  const port = await freePort();
  const listen = { host: '127.0.0.1', port, engine: 'wire' };
  gateway = await GatewayProcess.start(aConfig(listen));
  const slow: ServerResponse[] = [];
  upstream.script = (request, response) => {
    if (request.url === '/slow') slow.push(response);
    else response.end('quick');
  };
  const idle = new Client(connect(port, '127.0.0.1'));
  idle.ask('/');
  await idle.has('quick');
  const busy = new Client(connect(port, '127.0.0.1'));
  busy.ask('/slow');
  await eventually('the target is asked', () => slow.length === 1);
  gateway.rewrite(aConfig({ ...listen, tls: { certificates: [files.pair] } }));
  expect(await gateway.post('/reload', TOKEN)).toMatchObject({ status: 200 });
  await eventually('the idle one is closed', () => idle.isClosed);
  expect(busy.isClosed).toBe(false);
  slow[0]?.end('whole');
  await busy.has('whole');
  expect(busy.text.toLowerCase()).toContain('connection: close');
  await eventually('the busy one is closed', () => busy.isClosed);
  const secure = new Client(connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }));
  secure.ask('/');
  await secure.has('quick');
  secure.socket.destroy();
  gateway.rewrite(aConfig({ ...listen, host: '0.0.0.0' }));
  const reasons = [
    `cannot listen on 0.0.0.0:${port}: the address is in use by the listener ` +
      `"127.0.0.1:${port}": another host at its port takes a restart`,
  ];
  expect(await gateway.post('/reload', TOKEN)).toMatchObject({ status: 409, body: { reasons } });
});

it('in a handshake have their first request when the gateway ends', async () => {
  gateway = await GatewayProcess.start(
    aConfig({ host: '127.0.0.1', port: 0, engine: 'wire', tls: { certificates: [files.pair] } }),
  );
  upstream.script = (_, response) => response.end('answered');
  const wire = await HeldWire.start(gateway.port);
  const options = { port: wire.port, host: '127.0.0.1', rejectUnauthorized: false };
  const client = new Client(connectTls(options));
  client.ask('/');
  // The client has said hello; what ends its handshake is held.
  await eventually('the handshake is under way', () => wire.held > 0);
  gateway.child.kill('SIGTERM');
  await eventually('nobody else is let in', () => isRefused(gateway.port));
  wire.release();
  await client.has('answered');
  expect(client.text.toLowerCase()).toContain('connection: close');
  await gateway.exited;
  expect(gateway.exitCode).toBe(0);
  wire.close();
});

it.each(['plain', 'tls'])(
  'whose client closes its side in a body are over at once, %s',
  async (door) => {
    const secure = { tls: { certificates: [files.pair] } };
    const listen = { host: '127.0.0.1', port: 0, engine: 'wire', ...(door === 'tls' && secure) };
    // No time-out ends them within the time of this test.
    gateway = await GatewayProcess.start(aConfig({ ...listen, bodyIdleTimeout: '10m' }));
    let heads = 0;
    let cut = 0;
    upstream.script = (request) => {
      heads += 1;
      request.on('error', () => {
        cut += 1;
      });
      request.resume();
    };
    const framings = ['Content-Length: 200000', 'Transfer-Encoding: chunked'];
    const bodies = ['a'.repeat(100_000), `186a0\r\n${'a'.repeat(100_000)}\r\n`];
    for (const [at, framing] of framings.entries()) {
      const { port } = gateway;
      const options = { port, host: '127.0.0.1', rejectUnauthorized: false };
      const client = new Client(door === 'tls' ? connectTls(options) : connect(port, '127.0.0.1'));
      client.socket.write(
        `POST /up HTTP/1.1\r\nHost: localhost\r\n${framing}\r\n\r\n${bodies[at]}`,
      );
      await eventually('the target is asked', () => heads === at + 1);
      client.socket.end();
      await eventually('it is over', () => cut === at + 1 && client.isClosed);
    }
    await eventually('they are recorded', () => gateway.find('request').length === 2);
    expect(gateway.find('request').map(({ end }) => end)).toEqual(['clientLeft', 'clientLeft']);
  },
);

it('bring the phrase of a status that has none of its own', async () => {
  gateway = await GatewayProcess.start(aConfig({ host: '127.0.0.1', port: 0, engine: 'wire' }));
  upstream.script = (request, response) => {
    response.writeHead(Number(request.url?.slice(1)), 'Said by the target').end('whole');
  };
  const line = async (path: string): Promise<string> => {
    const client = new Client(connect(gateway.port, '127.0.0.1'));
    client.ask(path);
    await client.has('whole');
    client.socket.destroy();
    return client.text.slice(0, client.text.indexOf('\r\n'));
  };
  expect(await line('/299')).toBe('HTTP/1.1 299 Said by the target');
  expect(await line('/520')).toBe('HTTP/1.1 520 Said by the target');
  // Nobody is misled about what a status means.
  expect(await line('/200')).toBe('HTTP/1.1 200 OK');
});

function isRefused(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(false);
    });
    socket.on('error', () => resolve(true));
  });
}

/** A wire that lets the first flight of a client pass, and holds what comes behind it. */
class HeldWire {
  /** Bytes that are held. */
  held = 0;
  private pieces: Buffer[] = [];
  private isOpen = false;
  private far: Socket | null = null;

  private constructor(private readonly server: Server) {}

  static async start(to: number): Promise<HeldWire> {
    const server = createServer();
    const wire = new HeldWire(server);
    server.on('connection', (near) => wire.join(near, to));
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return wire;
  }

  get port(): number {
    const address = this.server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  private join(near: Socket, to: number): void {
    const far = connect(to, '127.0.0.1');
    this.far = far;
    far.pipe(near);
    for (const socket of [near, far]) socket.on('error', () => {});
    let isFirst = true;
    near.on('data', (piece: Buffer) => {
      if (isFirst || this.isOpen) far.write(piece);
      else {
        this.pieces.push(piece);
        this.held += piece.length;
      }
      isFirst = false;
    });
    near.on('end', () => far.end());
  }

  release(): void {
    this.isOpen = true;
    for (const piece of this.pieces.splice(0)) this.far?.write(piece);
  }

  close(): void {
    this.far?.destroy();
    this.server.close();
  }
}
