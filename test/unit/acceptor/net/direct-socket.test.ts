/** Sockets that read into one memory: what a read brings, what is kept of it, how they end. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { DirectSocket, keptOf } from '../../../../src/acceptor/net/direct-socket.js';
import { eventually } from '../../../support/eventually.js';

let server: Server | null = null;
let sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets = [];
  server?.close();
  server = null;
});

/** Both ends of a connection: the client's, and the one that was taken over. */
async function pair(): Promise<[Socket, DirectSocket]> {
  const listening = server ?? createServer({ allowHalfOpen: true });
  if (server === null) {
    server = listening.listen(0, '127.0.0.1');
    await once(listening, 'listening');
  }
  const client = connect((listening.address() as AddressInfo).port, '127.0.0.1');
  const [fresh] = (await once(listening, 'connection')) as [Socket];
  const taken = DirectSocket.inPlaceOf(fresh);
  sockets.push(client, taken);
  if (!(taken instanceof DirectSocket)) throw new Error('the connection was not taken over');
  taken.resume();
  return [client, taken];
}

describe('a socket that reads into the memory of its thread', () => {
  it('brings what its client sends, which the next read overwrites', async () => {
    const [first, one] = await pair();
    const [second, other] = await pair();
    const came: Buffer[] = [];
    const kept: Buffer[] = [];
    one.taker = (bytes) => {
      came.push(bytes);
      kept.push(keptOf(bytes));
    };
    other.taker = (bytes) => came.push(bytes);
    first.write('first');
    await eventually('the first has come', () => came.length === 1);
    second.write('other');
    await eventually('the other has come', () => came.length === 2);
    expect(came.map(String)).toEqual(['other', 'other']);
    expect(kept.map(String)).toEqual(['first']);
  });

  it('brings more than one read holds, in order', async () => {
    const [client, socket] = await pair();
    const sent = Buffer.alloc(300_000);
    for (let at = 0; at < sent.length; at += 4) sent.writeUInt32LE(at, at);
    const came: Buffer[] = [];
    socket.taker = (bytes) => came.push(keptOf(bytes));
    client.write(sent);
    await eventually('all has come', () => Buffer.concat(came).length === sent.length);
    expect(Buffer.concat(came).equals(sent)).toBe(true);
  });

  it('stops while it is paused', async () => {
    const [client, socket] = await pair();
    let came = '';
    socket.taker = (bytes) => {
      came += String(bytes);
      socket.pause();
    };
    client.write('a');
    await eventually('the first byte has come', () => came === 'a');
    client.write('b');
    const [, other] = await pair();
    expect([came, other.isPaused()]).toEqual(['a', false]);
    socket.resume();
    await eventually('the second one has come', () => came === 'ab');
  });

  it('tells of the end, and can still be written to', async () => {
    const [client, socket] = await pair();
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

  it('tells that its client is gone', async () => {
    const [client, socket] = await pair();
    const told: string[] = [];
    socket.on('error', () => told.push('error')).on('close', () => told.push('close'));
    client.resetAndDestroy();
    await eventually('the socket is closed', () => told.includes('close'));
    expect(told).toEqual(['error', 'close']);
  });

  it('is not made where there is no connection to take over', () => {
    const unconnected = new Socket();
    expect(DirectSocket.inPlaceOf(unconnected)).toBe(unconnected);
  });
});

describe('what is kept of a read', () => {
  it('is no copy where nobody overwrites it', () => {
    const own = Buffer.from('own');
    expect(keptOf(own)).toBe(own);
  });
});
