/**
 * A server of WebSockets that sends back what it gets, in the process of the origin.
 */
import { once } from 'node:events';
import { WebSocketServer } from 'ws';

const HOST = '127.0.0.1';

/** Resolves with the port. */
export async function listenSockets(): Promise<number> {
  const server = new WebSocketServer({ host: HOST, port: 0, perMessageDeflate: false });
  server.on('connection', (socket) => {
    socket.on('error', () => socket.terminate());
    socket.on('message', (data: Buffer, binary: boolean) => socket.send(data, { binary }));
  });
  await once(server, 'listening');
  return server.address().port;
}
