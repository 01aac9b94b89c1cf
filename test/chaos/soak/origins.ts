/** The services behind the gateway of a soak: two versions of one, and one that gets copies. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const LARGE = Buffer.alloc(256 * 1024, 'x');
const SLOW_MS = 300;

export type SideName = 'v1' | 'v2' | 'shadow';

export class Origins {
  /** Tokens that replies have told. */
  toldTokens = 0;
  private readonly servers = new Map<SideName, Server>();

  static async start(): Promise<Origins> {
    const origins = new Origins();
    for (const side of ['v1', 'v2', 'shadow'] as const) {
      const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) =>
        origins.serve(side, request, response),
      );
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      origins.servers.set(side, server);
    }
    return origins;
  }

  urlOf(side: SideName): string {
    const address = this.servers.get(side)?.address() as AddressInfo;
    return `http://127.0.0.1:${address.port}`;
  }

  async stop(): Promise<void> {
    for (const server of this.servers.values()) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  private serve(side: SideName, request: IncomingMessage, response: ServerResponse): void {
    const pieces: Buffer[] = [];
    request.on('error', () => {});
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => this.answer(side, request, response, Buffer.concat(pieces)));
  }

  private answer(
    side: SideName,
    { url = '', headers }: IncomingMessage,
    response: ServerResponse,
    body: Buffer,
  ): void {
    const { pathname, searchParams } = new URL(url, 'http://origin');
    const tokens = Number(searchParams.get('tokens'));
    if (pathname === '/large') response.end(LARGE);
    else if (pathname === '/slow') setTimeout(() => response.end('late'), SLOW_MS);
    else if (pathname.startsWith('/cost/')) this.answerCost(pathname, tokens, response);
    else if (pathname.startsWith('/cache/')) {
      response.setHeader('cache-control', 'max-age=2').end(`page of ${pathname}`);
    } else {
      // The copies of every tenth request are answered differently.
      const differs = side === 'shadow' && pathname.endsWith('0');
      const from = headers['x-edited'] ?? '';
      const said = { side: side === 'v2' ? 'v2' : 'v1', bytes: body.length, from, differs };
      response.setHeader('content-type', 'application/json').end(JSON.stringify(said));
    }
  }

  private answerCost(path: string, tokens: number, response: ServerResponse): void {
    this.toldTokens += tokens;
    const usage = JSON.stringify({ choices: ['…'], usage: { total_tokens: tokens } });
    if (path === '/cost/json') {
      response.setHeader('content-type', 'application/json').end(usage);
      return;
    }
    response.setHeader('content-type', 'text/event-stream');
    response.write('data: {"choices":["a"],"usage":null}\n\n');
    setTimeout(() => response.end(`data: ${usage}\n\ndata: [DONE]\n\n`), 20);
  }
}
