import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { knowsResets } from '../../../../src/acceptor/net/socket-address.js';

const folder = mkdtempSync(join(tmpdir(), 'sluice-'));
afterAll(() => rmSync(folder, { recursive: true }));

it.each([
  ['a port', { host: '127.0.0.1', port: 0 }, true],
  ['a path', { path: join(folder, 's') }, false],
])('a connection at %s can be reset: %j', async (_where, address, expected) => {
  const server = createServer().listen(address);
  await once(server, 'listening');
  const bound = server.address();
  const client = connect(typeof bound === 'string' ? { path: bound } : { port: bound?.port ?? 0 });
  const [socket] = (await once(server, 'connection')) as [Socket];
  socket.on('error', () => {});
  client.on('error', () => {});
  expect(knowsResets(socket)).toBe(expected);
  // The reason why it is asked.
  if (expected) socket.resetAndDestroy();
  else expect(() => socket.resetAndDestroy()).toThrow(/handle/i);
  socket.destroy();
  client.destroy();
  server.close();
});
