/**
 * @fastify/http-proxy with its own defaults: what most Node.js teams would start from.
 *
 * The same file is the contender and, when Node runs it, the proxy: `node FILE PORT ORIGIN`.
 */
import { fileURLToPath } from 'node:url';
import { type Contender, HOST } from '../gateway/contender.js';
import { findFreePort, readPackageVersion } from '../support/environment.js';

const THIS_FILE = fileURLToPath(import.meta.url);
const PACKAGE = '@fastify/http-proxy';

export const fastifyHttpProxy: Contender = {
  name: 'fastify',
  abilities: [],

  missing() {
    return readPackageVersion(PACKAGE) === '' ? `${PACKAGE} is not installed` : '';
  },

  version() {
    return `${PACKAGE} ${readPackageVersion(PACKAGE)} on Node ${process.version}`;
  },

  async plan({ originPorts }) {
    const port = await findFreePort();
    const origin = `http://${HOST}:${originPorts[0]}`;
    return {
      port,
      command: [process.execPath, THIS_FILE, String(port), origin],
      environment: { NODE_ENV: 'production' },
      nameThreads: async () => (thread) => (thread.tid === thread.pid ? 'main' : 'V8 and libuv'),
    };
  },
};

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
