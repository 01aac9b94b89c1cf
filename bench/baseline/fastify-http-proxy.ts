/**
 * @fastify/http-proxy with its own defaults: what most Node.js teams would start from.
 *
 * The same file is the contender and, when Node runs it, the proxy: `node FILE PORT ORIGIN`.
 */
import { fileURLToPath } from 'node:url';
import { HOST } from '../gateway/contender.js';
import { nodeProxyContender } from './node-proxy.js';

const THIS_FILE = fileURLToPath(import.meta.url);
const PACKAGE = '@fastify/http-proxy';

export const fastifyHttpProxy = nodeProxyContender('fastify', PACKAGE, THIS_FILE);

async function serve(port: number, origin: string): Promise<void> {
  const { default: fastify } = await import('fastify');
  const { default: httpProxy } = await import('@fastify/http-proxy');
  const app = fastify({ logger: false });
  await app.register(httpProxy, { upstream: origin });
  await app.listen({ host: HOST, port });
}

if (process.argv[1] === THIS_FILE) {
  await serve(Number(process.argv[2]), process.argv[3] ?? '');
}
