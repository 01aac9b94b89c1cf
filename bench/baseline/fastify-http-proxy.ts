/**
 * @fastify/http-proxy with its own defaults: what most Node.js teams would start from.
 *
 * The same file is the contender and, when Node runs it, the proxy: `node FILE PORT ORIGIN`.
 */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import {
  type Contender,
  type ContenderSetup,
  HOST,
  type RunningContender,
  waitHealthy,
} from '../gateway/contender.js';
import { OPEN_PREFIX } from '../gateway/scenarios.js';
import { findFreePort } from '../support/environment.js';

const THIS_FILE = fileURLToPath(import.meta.url);

export const fastifyHttpProxy: Contender = {
  name: 'fastify',

  missing() {
    return readPackageVersion() === '' ? '@fastify/http-proxy is not installed' : '';
  },

  async start(setup: ContenderSetup): Promise<RunningContender> {
    const port = await findFreePort();
    const origin = `http://${HOST}:${setup.originPort}`;
    const child = setup.children.start(
      'fastify',
      [process.execPath, THIS_FILE, String(port), origin],
      { environment: { NODE_ENV: 'production' } },
    );
    await waitHealthy(child, port, `${OPEN_PREFIX}/small`);
    return {
      child,
      port,
      version: `@fastify/http-proxy ${readPackageVersion()} on Node ${process.version}`,
      nameThread: (thread) => (thread.tid === thread.pid ? 'main' : 'V8 and libuv'),
    };
  },
};

function readPackageVersion(): string {
  try {
    const require = createRequire(import.meta.url);
    const manifest = require('@fastify/http-proxy/package.json') as { version: string };
    return manifest.version;
  } catch {
    return '';
  }
}

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
