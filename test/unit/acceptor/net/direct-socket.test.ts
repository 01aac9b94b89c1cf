/** Reads into one memory: what a read brings, what is kept of it, how sockets pause and end. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { keptOf, takeReads, tryReadDirectly } from '../../../../src/acceptor/net/direct-socket.js';
import { eventually } from '../../../support/eventually.js';
import { TestAuthority } from '../../../support/test-authority.js';

const nothing = (): void => undefined;

let authority: TestAuthority | null = null;
let servers: Server[] = [];
let sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers) server.close();
  sockets = [];
  servers = [];
});

afterAll(() => authority?.remove());

/** The client's end of a connection, the other one, and the client's without TLS. */
type Pair = readonly [client: Socket, socket: Socket, raw: Socket];

async function plainPair(): Promise<Pair> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [socket] = (await once(server, 'connection')) as [Socket];
  sockets.push(client, socket);
  return [client, socket, client];
}

async function tlsPair(): Promise<Pair> {
  authority ??= new TestAuthority();
  const { cert, key } = authority.sign({ names: 'DNS:localhost' });
  const server = createTlsServer({ cert, key, allowHalfOpen: true }).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const raw = connect(port, '127.0.0.1');
  const client = connectTls({ socket: raw, rejectUnauthorized: false });
  const [socket] = (await once(server, 'secureConnection')) as [TLSSocket];
  sockets.push(client, socket);
  return [client, socket, raw];
}

describe.each([
  ['plain', plainPair],
  ['TLS', tlsPair],
])('the reads of a socket: %s', (_kind, pair) => {
  it('are direct in this version of Node', async () => {
    const [, socket] = await pair();
    expect(tryReadDirectly(socket, nothing)).toBe(true);
  });

  it('bring what the client sends, which the next read overwrites', async () => {
    const [first, one] = await pair();
    const [second, other] = await pair();
    const came: Buffer[] = [];
    const kept: Buffer[] = [];
    takeReads(one, (bytes) => {
      came.push(bytes);
      kept.push(keptOf(bytes));
    });
    takeReads(other, (bytes) => came.push(bytes));
    first.write('first');
    await eventually('the first has come', () => came.length === 1);
    second.write('other');
    await eventually('the other has come', () => came.length === 2);
    expect(came.map(String)).toEqual(['other', 'other']);
    expect(kept.map(String)).toEqual(['first']);
  });

  it('begin with what was read before', async () => {
    const [client, socket] = await pair();
    client.write('before');
    await once(socket, 'readable');
    let came = '';
    takeReads(socket, (bytes) => {
      came += String(bytes);
    });
    client.write(' and behind');
    await eventually('all has come', () => came === 'before and behind');
  });

  it('bring more than the memory holds, in order', async () => {
    const [client, socket] = await pair();
    const sent = Buffer.alloc(300_000);
    for (let at = 0; at < sent.length; at += 4) sent.writeUInt32LE(at, at);
    const came: Buffer[] = [];
    takeReads(socket, (bytes) => came.push(keptOf(bytes)));
    client.write(sent);
    await eventually('all has come', () => Buffer.concat(came).length === sent.length);
    expect(Buffer.concat(came).equals(sent)).toBe(true);
  });

  it('stop in a pause', async () => {
    const [client, socket] = await pair();
    const bytes = 64 * 1024 * 1024;
    let came = 0;
    takeReads(socket, (piece) => {
      came += piece.length;
      socket.pause();
    });
    client.write(Buffer.alloc(bytes));
    await eventually(
      'the client cannot send any more',
      () => came > 0 && client.writableLength > 0,
    );
    const before = came;
    // What another connection brings meanwhile shows that reads were looked for.
    const [other, heard] = await pair();
    let isHeard = false;
    takeReads(heard, () => {
      isHeard = true;
    });
    other.write('x');
    await eventually('the other is heard', () => isHeard);
    // TLS hands on what it has decrypted already.
    expect(came - before).toBeLessThan(128 * 1024);
    socket.on('pause', () => socket.resume());
    socket.resume();
    await eventually('all has come', () => came === bytes);
  });

  it('tell of the end, and the socket can still be written to', async () => {
    const [client, socket] = await pair();
    takeReads(socket, nothing);
    let answer = '';
    client.on('data', (bytes) => {
      answer += String(bytes);
    });
    const ended = once(socket, 'end');
    client.end();
    await ended;
    socket.end('answer');
    await once(client, 'close');
    expect(answer).toBe('answer');
  });

  it('tell that the client is gone', async () => {
    const [client, socket, raw] = await pair();
    let came = '';
    takeReads(socket, (bytes) => {
      came += String(bytes);
    });
    client.write('here');
    await eventually('the client is there', () => came === 'here');
    const told: string[] = [];
    socket.on('error', () => told.push('error')).on('close', () => told.push('close'));
    raw.resetAndDestroy();
    await eventually('the socket is closed', () => told.includes('close'));
    expect(told).toEqual(['error', 'close']);
  });
});

describe('a socket without a connection', () => {
  it('is left as it is', () => {
    expect(tryReadDirectly(new Socket(), nothing)).toBe(false);
  });
});

describe('what is kept of a read', () => {
  it('is no copy where nobody overwrites it', () => {
    const own = Buffer.from('own');
    expect(keptOf(own)).toBe(own);
  });
});
