/**
 * Writes past the stream of a socket: what the kernel takes, and what is left to the stream.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import {
  DIRECT_BYTES_MAX,
  takesDirectWrites,
  writeDirectly,
  writeText,
} from '../../../src/base/direct-write.js';
import { closeLater, closePairs, connectPair } from '../../support/socket-pair.js';

afterEach(closePairs);

/** No two places of it that are near each other look alike. */
const PIECE = Buffer.from(Array.from({ length: DIRECT_BYTES_MAX }, (_, at) => (at >> 8) ^ at));

/** Writes pieces until one is not taken whole: how many are, and how much of the last one is. */
function fill(socket: Socket): { pieces: number; part: number } {
  for (let pieces = 0; ; pieces += 1) {
    const part = writeDirectly(socket, PIECE, PIECE.length);
    if (part < PIECE.length) return { pieces, part };
  }
}

describe('a direct write', () => {
  it('has arrived when it returns, from shared memory too', async () => {
    const [socket, client] = await connectPair({ allowHalfOpen: true });
    const shared = Buffer.from(new SharedArrayBuffer(64), 8);
    shared.write('from shared memory, and more');
    expect(writeDirectly(socket, shared, 18)).toBe(18);
    expect(socket.writableLength).toBe(0);
    client.resume();
    const [received] = (await once(client, 'data')) as [Buffer];
    expect(received.toString()).toBe('from shared memory');
  });

  it('to a full socket leaves the rest to the stream, and overtakes nothing there', async () => {
    const [socket, client] = await connectPair({ allowHalfOpen: true });
    const { pieces, part } = fill(socket);
    expect(pieces).toBeGreaterThan(0);
    expect(socket.writableLength).toBe(0);
    expect(socket.destroyed).toBe(false);
    socket.write(PIECE.subarray(part));
    expect(socket.writableLength).toBeGreaterThan(0);
    const received: Buffer[] = [];
    client.on('data', (bytes: Buffer) => {
      received.push(bytes);
      // There may be room again before the stream hears of it.
      expect(socket.writableLength === 0 || writeDirectly(socket, PIECE, 1) === 0).toBe(true);
    });
    socket.end('end');
    client.resume();
    await once(client, 'end');
    const expected = [...Array.from({ length: pieces + 1 }, () => PIECE), Buffer.from('end')];
    expect(Buffer.concat(received).equals(Buffer.concat(expected))).toBe(true);
  });

  it('of a text is whole, also where the kernel takes a part of it', async () => {
    const [socket, client] = await connectPair({ allowHalfOpen: true });
    const sent: string[] = [];
    do {
      const text = `${sent.length} \xe9 `.repeat(333);
      sent.push(text);
      writeText(socket, text);
    } while (socket.writableLength === 0);
    const long = '\xff'.repeat(DIRECT_BYTES_MAX + 1);
    writeText(socket, long);
    const received: Buffer[] = [];
    client.on('data', (bytes: Buffer) => received.push(bytes));
    socket.end();
    client.resume();
    await once(client, 'end');
    const expected = Buffer.from(sent.join('') + long, 'latin1');
    expect(Buffer.concat(received).equals(expected)).toBe(true);
  });

  it('is a short one', async () => {
    const [socket] = await connectPair({ allowHalfOpen: true });
    expect(writeDirectly(socket, Buffer.alloc(DIRECT_BYTES_MAX + 1), DIRECT_BYTES_MAX + 1)).toBe(0);
    expect(socket.writableLength).toBe(0);
  });

  it('to a peer that has reset the connection leaves the error to the stream', async () => {
    const [socket, client] = await connectPair({ allowHalfOpen: true });
    socket.pause();
    client.resetAndDestroy();
    await once(client, 'close');
    expect(writeDirectly(socket, Buffer.from('late'), 4)).toBe(0);
    const failed = once(socket, 'error');
    socket.write('late');
    const [error] = (await failed) as [NodeJS.ErrnoException];
    expect(error.code).toBe('EPIPE');
  });

  it('to a socket that is closed, or connects still, writes nothing', async () => {
    const [socket] = await connectPair({ allowHalfOpen: true });
    socket.destroy();
    expect(writeDirectly(socket, Buffer.from('x'), 1)).toBe(0);
    const early = connect(1, '127.0.0.1').on('error', () => {});
    closeLater(early);
    expect(writeDirectly(early, Buffer.from('x'), 1)).toBe(0);
  });

  it('is for sockets without TLS alone', async () => {
    const [socket] = await connectPair({ allowHalfOpen: true });
    expect(takesDirectWrites(socket)).toBe(true);
    const secure = new TLSSocket(socket);
    closeLater(secure);
    expect(takesDirectWrites(secure)).toBe(false);
  });
});
