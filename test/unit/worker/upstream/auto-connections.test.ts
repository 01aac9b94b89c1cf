/** Targets that choose their protocol, over real sockets: how often they are asked for it. */
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { eventually } from '../../../support/eventually.js';
import { certificateFor, TransportRig } from '../../../support/transport-rig.js';

const FIVE_MINUTES_MS = 300_000;

let server: Server;
let rig: TransportRig;
let connections = 0;
const sockets = new Set<Duplex>();

beforeEach(async () => {
  connections = 0;
  server = createServer({ ...certificateFor('auto') }, (_request, response) => response.end('ok'));
  server.on('connection', (socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  rig = new TransportRig('auto', (server.address() as AddressInfo).port);
});

afterEach(async () => {
  await rig.connections.close();
  for (const socket of sockets) socket.destroy();
  server.close();
});

async function ask(): Promise<void> {
  const probe = await rig.exchange();
  expect([probe.status, probe.body, probe.problem]).toEqual([200, 'ok', null]);
  // The connection rests for a moment.
  await eventually('it can be used again', () => rig.connections.idleCount === 1);
}

it('asks a target of HTTP/1.1 once, and not again while its connections stand', async () => {
  await ask();
  // One that HTTP/2 was offered on, and one that is kept.
  expect(connections).toBe(2);
  await ask();
  // For as long as a connection is used within its idle time, whatever time passes in all.
  for (let passed = 0; passed < 2 * FIVE_MINUTES_MS; passed += 3000) {
    rig.skewMs += 3000;
    await ask();
  }
  expect(connections).toBe(2);
});

it('asks again when it has to connect anyway, and not within five minutes', async () => {
  await ask();
  for (const socket of sockets) socket.destroy();
  await eventually('none is left', () => rig.connections.idleCount === 0);
  await ask();
  expect(connections).toBe(3);
  for (const socket of sockets) socket.destroy();
  await eventually('none is left', () => rig.connections.idleCount === 0);
  rig.skewMs = FIVE_MINUTES_MS;
  await ask();
  expect(connections).toBe(5);
});
