/**
 * Three small servers that the demo sends requests to.
 *
 * Thread: supervisor (on the main thread). Owns its listening sockets until close(). The servers
 * listen on loopback only, on ports that the system chooses, so that the demo never finds a port in
 * use.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { assert } from '../base/assert.js';

const SERVER_NAMES = ['alpha', 'beta', 'gamma'] as const;

/** Replies show these fields, so that users see what the gateway adds. None is a credential. */
const ECHOED_HEADERS = [
  'host',
  'user-agent',
  'x-request-id',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'forwarded',
  'via',
];

/** The running servers. */
export interface DemoUpstreams {
  /** Three URLs, `http://127.0.0.1:port`. */
  readonly urls: readonly [string, string, string];
  /** Stops all servers and cuts open connections. */
  close(): Promise<void>;
}

/** Starts the three servers. */
export async function startDemoUpstreams(): Promise<DemoUpstreams> {
  const [alpha, beta, gamma] = SERVER_NAMES.map(createDemoServer);
  assert(alpha !== undefined && beta !== undefined && gamma !== undefined, 'three demo servers');
  const servers = [alpha, beta, gamma];
  const close = async (): Promise<void> => {
    await Promise.all(servers.map(closeServer));
  };
  try {
    const urls = await Promise.all([listenOn(alpha), listenOn(beta), listenOn(gamma)]);
    return { urls, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function createDemoServer(name: string): Server {
  return createServer((request, reply) => answer(name, request, reply));
}

function answer(server: string, request: IncomingMessage, reply: ServerResponse): void {
  // An unread body would block the next request on the connection.
  request.resume();
  const { method = '', url = '/' } = request;
  const path = url.split('?', 1)[0] ?? '';
  const isKnown = path === '/health' || path.startsWith('/api/');
  const headers: Record<string, string> = {};
  for (const name of ECHOED_HEADERS) {
    const value = request.headers[name];
    if (value !== undefined) headers[name] = String(value);
  }
  const body = JSON.stringify({ server, method, path: url, headers });
  reply.writeHead(isKnown ? 200 : 404, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  });
  reply.end(body);
}

function listenOn(server: Server): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      assert(typeof address === 'object' && address !== null, 'a TCP address');
      resolve(`http://127.0.0.1:${address.port}`);
    });
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    // A server that never listened reports an error, and is stopped all the same.
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
