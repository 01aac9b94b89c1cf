/**
 * http-proxy-middleware on node:http, with upstream connections that are kept alive.
 *
 * The agent is the one thing changed: without it every request opens a connection, and the bench
 * would measure connecting. The same file is the contender and, when Node runs it, the proxy.
 */
import { Agent, createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { HOST } from '../gateway/contender.js';
import { nodeProxyContender } from './node-proxy.js';

const THIS_FILE = fileURLToPath(import.meta.url);
const PACKAGE = 'http-proxy-middleware';

/** The part of it that is used; the package need not be there for the bench to compile. */
interface ProxyMiddlewareModule {
  createProxyMiddleware(options: {
    readonly target: string;
    readonly agent?: Agent;
    readonly xfwd?: boolean;
    readonly ws?: boolean;
  }): ProxyMiddleware;
}

interface ProxyMiddleware {
  (request: IncomingMessage, response: ServerResponse, next: () => void): Promise<void>;
  upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void;
}

export const httpProxyMiddleware = nodeProxyContender({
  name: PACKAGE,
  packageName: PACKAGE,
  file: THIS_FILE,
  abilities: ['websocket'],
});

async function serve(port: number, target: string, socketTarget: string): Promise<void> {
  // A name that the compiler does not follow.
  const name: string = PACKAGE;
  const { createProxyMiddleware } = (await import(name)) as ProxyMiddlewareModule;
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
  const proxy = createProxyMiddleware({ target, agent, xfwd: true });
  const server = createServer((request, response) => {
    void proxy(request, response, () => response.writeHead(404).end());
  });
  const tunnels = createProxyMiddleware({ target: socketTarget, ws: true });
  server.on('upgrade', (request, socket, head) => {
    tunnels.upgrade(request, socket as Socket, head);
  });
  server.listen(port, HOST);
}

if (process.argv[1] === THIS_FILE) {
  const [port, target = '', socketTarget = ''] = process.argv.slice(2);
  await serve(Number(port), target, socketTarget);
}
