/** Two ends of a connection over loopback, which a test closes when it is over. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type ServerOpts, type Socket } from 'node:net';

const open: { destroy(): void }[] = [];

/** The client does not read yet. */
export async function connectPair(
  options: ServerOpts = {},
): Promise<[server: Socket, client: Socket]> {
  const server = createServer(options).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1').pause();
  const [accepted] = (await once(server, 'connection')) as [Socket];
  server.close();
  closeLater(accepted);
  closeLater(client);
  return [accepted, client];
}

export function closeLater(one: { destroy(): void }): void {
  open.push(one);
}

/** To be called after each test. */
export function closePairs(): void {
  for (const one of open.splice(0)) one.destroy();
}
