/**
 * Pieces of a body on their way to a target that takes them late: some are taken in part.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { NO_FIELDS } from '../../../../src/base/field-block.js';
import { WINDOW_CREDIT_BYTES } from '../../../../src/channel/lane.js';
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

describe('a body', () => {
  it('arrives as it was at a target that reads late, and its window comes back', async () => {
    const [socket, target] = await connectPair();
    let given = 0;
    const source = { onWanted: () => {}, giveWindow: (bytes: number) => (given += bytes) };
    const body = new StreamedBody(0, source);
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
    expect(all.length - given).toBeLessThan(WINDOW_CREDIT_BYTES);
    body.end(NO_FIELDS);
  });
});
