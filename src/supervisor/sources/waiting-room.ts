/**
 * What clients get while a gateway has no configuration: 503 from every listener without TLS, and
 * pages for those who ask whether it is ready.
 *
 * Thread: supervisor (on the main thread). Owns sockets, which are closed before the gateway binds
 * the same addresses. Listeners with TLS are left alone: without a certificate nobody can be told
 * anything.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { entriesOf } from '../../base/field-block.js';
import { hostPort } from '../../base/listener-address.js';
import { buildProblemReply, RETRY_SOON } from '../../base/problem-reply.js';
import { PROBLEMS } from '../../base/problems.js';
import { StartupError } from '../../base/startup-error.js';
import { listenProblem } from '../../base/system-problem.js';
import type { GatewaySettings } from '../../config/compiled-config.js';

const DETAIL = 'This gateway waits for its first configuration.';
/** Nobody who only hears that he must wait gets much room for it. */
const CONNECTIONS_MAX = 1000;
const HEAD_MS = 5000;

export class WaitingRoom {
  private readonly servers: Server[] = [];

  /** Rejects with a StartupError when an address cannot be bound; nothing is open then. */
  async open(
    { listeners, admin }: Pick<GatewaySettings, 'listeners' | 'admin'>,
    facts: () => object,
  ): Promise<void> {
    try {
      for (const { address, tls } of listeners) {
        if (tls !== null || address.kind !== 'tcp') continue;
        await this.listen(address, (request, reply) => refuse(request, reply));
      }
      await this.listen(admin, (request, reply) => answer(request, reply, facts()));
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    const closing = this.servers.splice(0).map(async (server) => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      if (server.listening) await closed;
    });
    await Promise.all(closing);
  }

  private async listen(
    { host, port }: { readonly host: string; readonly port: number },
    onRequest: (request: IncomingMessage, reply: ServerResponse) => void,
  ): Promise<void> {
    const server = createServer({ requestTimeout: HEAD_MS, headersTimeout: HEAD_MS }, onRequest);
    server.maxConnections = CONNECTIONS_MAX;
    server.listen({ host, port });
    try {
      await once(server, 'listening');
    } catch (error) {
      const reason = listenProblem(error);
      throw new StartupError(`cannot listen on ${hostPort(host, port)}: ${reason}`);
    }
    this.servers.push(server);
  }
}

function refuse(request: IncomingMessage, reply: ServerResponse): void {
  const { fields, body } = buildProblemReply(PROBLEMS.notReady, randomUUID(), DETAIL, RETRY_SOON);
  for (const [name, value] of entriesOf(fields)) reply.setHeader(name, value);
  reply.setHeader('Connection', 'close');
  reply.statusCode = PROBLEMS.notReady.status;
  reply.end(request.method === 'HEAD' ? '' : body);
}

function answer(request: IncomingMessage, reply: ServerResponse, facts: object): void {
  const path = (request.url ?? '').split('?', 1)[0];
  const isAlive = path === '/healthz';
  const body = isAlive ? { status: 'ok' } : { status: 'no configuration', configuration: facts };
  reply.statusCode = isAlive ? 200 : PROBLEMS.notReady.status;
  reply.setHeader('Content-Type', 'application/json');
  reply.setHeader('Connection', 'close');
  reply.end(request.method === 'HEAD' ? '' : `${JSON.stringify(body)}\n`);
}
