/**
 * Pieces of a body on their way to a target that takes them late: some are taken in part.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { NO_FIELDS } from '../../../../src/base/field-block.js';
import { StreamedBody } from '../../../../src/worker/exchange/streamed-body.js';
import { BodyWriter } from '../../../../src/worker/upstream/body-writer.js';

const open: { destroy(): void }[] = [];

afterEach(() => {
  for (const one of open.splice(0)) one.destroy();
});

async function connectPair(): Promise<[socket: Socket, target: Socket]> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [target] = (await once(server, 'connection')) as [Socket];
  server.close();
  if (socket.connecting) await once(socket, 'connect');
  open.push(socket, target);
  return [socket, target];
}

const SOURCE = { onWanted: () => {}, giveWindow: () => {} };

describe('a body', () => {
  it('arrives as it was at a target that reads late, and its window comes back', async () => {
    const [socket, target] = await connectPair();
    const body = new StreamedBody(0, SOURCE);
    const onTaken = vi.spyOn(body, 'onTaken');
    body.flowTo(new BodyWriter(socket, body, () => {}));
    const sent: Buffer[] = [];
    let behind = 0;
    while (behind < 3) {
      const piece = Buffer.alloc(1999, `${sent.length} `);
      sent.push(piece);
      // Whose memory it is writes it over.
      const lent = new Uint8Array(piece);
      body.push(lent);
      lent.fill(0);
      if (socket.writableLength > 0) behind += 1;
    }
    const received: Buffer[] = [];
    target.on('data', (bytes: Buffer) => received.push(bytes));
    body.end(NO_FIELDS);
    socket.end();
    await once(target, 'end');
    const all = Buffer.concat(sent);
    expect(Buffer.concat(received).equals(all)).toBe(true);
    const taken = onTaken.mock.calls.reduce((sum, [bytes]) => sum + bytes, 0);
    expect(taken).toBe(all.length);
  });

  it('of an unknown length arrives in chunks', async () => {
    const [socket, target] = await connectPair();
    const body = new StreamedBody(-1, SOURCE);
    body.flowTo(new BodyWriter(socket, body, () => {}));
    body.push(Buffer.from('abc'));
    body.end(NO_FIELDS);
    const received: Buffer[] = [];
    target.on('data', (bytes: Buffer) => received.push(bytes));
    socket.end();
    await once(target, 'end');
    expect(Buffer.concat(received).toString()).toBe('3\r\nabc\r\n0\r\n\r\n');
  });

  for (const bytes of [0, -1]) {
    const kind = bytes === -1 ? 'of an unknown length' : 'of a known length';
    it(`${kind} in single bytes is few writes to a target that does not read`, async () => {
      const [socket, target] = await connectPair();
      const body = new StreamedBody(bytes, SOURCE);
      const onTaken = vi.spyOn(body, 'onTaken');
      body.flowTo(new BodyWriter(socket, body, () => {}));
      const large = Buffer.alloc(100_000, 'large ');
      const sent: Buffer[] = [];
      const push = (piece: Buffer): void => {
        sent.push(piece);
        body.push(piece);
      };
      while (socket.writableLength === 0) push(large);
      const write = vi.spyOn(socket, 'write');
      for (let at = 0; at < 1000; at += 1) push(Buffer.from([at & 0xff]));
      expect(write).not.toHaveBeenCalled();
      // What is long goes straight on, behind what waits.
      push(large);
      for (let at = 0; at < 1000; at += 1) push(Buffer.from([at & 0xff]));
      body.end(NO_FIELDS);
      expect(write.mock.calls.length).toBeLessThan(32);
      const received: Buffer[] = [];
      target.on('data', (piece: Buffer) => received.push(piece));
      socket.end();
      await once(target, 'end');
      const all = Buffer.concat(sent);
      const got = Buffer.concat(received);
      expect((bytes === -1 ? withoutChunks(got) : got).equals(all)).toBe(true);
      const taken = onTaken.mock.calls.reduce((sum, [one]) => sum + one, 0);
      expect(taken).toBe(all.length);
    });
  }

  it('goes on as soon as the target has read, with what has waited', async () => {
    const [socket, target] = await connectPair();
    const body = new StreamedBody(0, SOURCE);
    body.flowTo(new BodyWriter(socket, body, () => {}));
    const large = Buffer.alloc(100_000);
    let sent = 0;
    for (; socket.writableLength === 0; sent += large.length) body.push(large);
    for (let at = 0; at < 1000; at += 1) body.push(Buffer.of(1));
    let received = 0;
    await new Promise<void>((resolve) => {
      target.on('data', (piece: Buffer) => {
        received += piece.length;
        if (received === sent + 1000) resolve();
      });
    });
    expect(received).toBe(sent + 1000);
  });

  it('writes nothing of what waits once the target has closed', async () => {
    const [socket, target] = await connectPair();
    const body = new StreamedBody(0, SOURCE);
    const writer = new BodyWriter(socket, body, () => {});
    body.flowTo(writer);
    while (socket.writableLength === 0) body.push(Buffer.alloc(100_000));
    body.push(Buffer.of(1));
    // What Node.js does where the target has ended its side.
    socket.end();
    const write = vi.spyOn(socket, 'write');
    const finished = once(socket, 'finish');
    target.resume();
    await finished;
    body.end(NO_FIELDS);
    expect(write).not.toHaveBeenCalled();
    expect(writer.isComplete).toBe(false);
  });
});

/** What the chunks hold. */
function withoutChunks(bytes: Buffer): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; ; ) {
    const end = bytes.indexOf('\r\n', at);
    const length = Number.parseInt(bytes.toString('latin1', at, end), 16);
    if (length === 0) return Buffer.concat(pieces);
    pieces.push(bytes.subarray(end + 2, end + 2 + length));
    at = end + 2 + length + 2;
  }
}
