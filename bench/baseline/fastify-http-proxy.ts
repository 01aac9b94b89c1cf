/**
 * @fastify/http-proxy with its own defaults: what most Node.js teams would start from.
 *
 * The same file is the contender and, when Node runs it, the proxy: see `node-proxy.ts`.
 */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { PLUGIN_PREFIX, SOCKET_PATH } from '../gateway/bench-requests.js';
import { HOST } from '../gateway/contender.js';
import { nodeProxyContender } from './node-proxy.js';

const THIS_FILE = fileURLToPath(import.meta.url);
const PACKAGE = '@fastify/http-proxy';

export const fastifyHttpProxy = nodeProxyContender({
  name: 'fastify',
  packageName: PACKAGE,
  file: THIS_FILE,
  abilities: ['plugin', 'websocket'],
});

/** The same with TLS, and with HTTP/2 for who asks for it. */
export const fastifyTls = nodeProxyContender({
  name: 'fastify-tls',
  packageName: PACKAGE,
  file: THIS_FILE,
  isTls: true,
});

interface Origins {
  readonly requests: string;
  readonly sockets: string;
}

interface Certificate {
  readonly cert: Buffer;
  readonly key: Buffer;
}

async function makeApp(certificate: Certificate | null): Promise<FastifyInstance> {
  const { default: fastify } = await import('fastify');
  if (certificate === null) return fastify({ logger: false });
  const https = { ...certificate, allowHTTP1: true };
  return fastify({ logger: false, http2: true, https }) as unknown as FastifyInstance;
}

async function serve(
  port: number,
  origins: Origins,
  certificate: Certificate | null,
): Promise<void> {
  const { default: httpProxy } = await import('@fastify/http-proxy');
  const app = await makeApp(certificate);
  await app.register(httpProxy, {
    upstream: origins.requests,
    prefix: PLUGIN_PREFIX,
    rewritePrefix: PLUGIN_PREFIX,
    preHandler: async (request: FastifyRequest, reply: FastifyReply) => {
      request.headers['x-part'] = request.url.slice(1, request.url.indexOf('/', 1));
      void reply.header('x-marked', 'yes');
    },
  });
  const sockets = { upstream: origins.sockets, prefix: SOCKET_PATH, websocket: true };
  if (certificate === null) await app.register(httpProxy, sockets);
  await app.register(httpProxy, { upstream: origins.requests });
  await app.listen({ host: HOST, port });
}

if (process.argv[1] === THIS_FILE) {
  const [port, requests = '', sockets = '', cert = '', key = ''] = process.argv.slice(2);
  const certificate = cert === '' ? null : { cert: readFileSync(cert), key: readFileSync(key) };
  await serve(Number(port), { requests, sockets }, certificate);
}
