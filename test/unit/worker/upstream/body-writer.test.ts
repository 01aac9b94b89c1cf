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
    socket.end();
    await once(target, 'end');
    const all = Buffer.concat(sent);
    expect(Buffer.concat(received).equals(all)).toBe(true);
    const taken = onTaken.mock.calls.reduce((sum, [bytes]) => sum + bytes, 0);
    expect(taken).toBe(all.length);
    body.end(NO_FIELDS);
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
});
