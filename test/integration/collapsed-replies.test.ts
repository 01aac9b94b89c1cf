/**
 * Those who wait for a reply that is being fetched get it while it comes: in both workers of a
 * gateway, whatever becomes of the one that it was fetched for.
 */
import { type ClientRequest, get, type IncomingMessage, type ServerResponse } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';

const TOKEN = 'a-token-of-the-admin';
const MAX = 128 * 1024;

let upstream: FakeUpstream;
let gateway: GatewayProcess;
let run = 0;
let waiting: ServerResponse[] = [];

beforeAll(async () => {
  upstream = await FakeUpstream.start();
  gateway = await GatewayProcess.start(
    {
      workers: 2,
      admin: { port: 0, token: TOKEN },
      upstreams: {
        api: {
          targets: [{ url: upstream.url }],
          retry: { attempts: 0 },
          circuitBreaker: { failureThreshold: 1000 },
        },
      },
      routes: [
        {
          name: 'all',
          match: { path: '/*' },

          upstream: 'api',
          cache: { maxEntryBytes: MAX, collapse: { timeout: '60s' } },
        },
        {
          name: 'short',
          match: { path: '/short/*' },

          upstream: 'api',
          cache: { collapse: { timeout: '200ms' } },
        },
        {
          name: 'coded',
          match: { path: '/coded/*' },

          upstream: 'api',
          cache: { maxEntryBytes: MAX },
          compression: { encodings: ['gzip'], minBytes: 16 },
        },
      ],
    },
    { GATEWAY_CHAOS: '1' },
  );
});

afterAll(async () => {
  await gateway.kill();
  await upstream.close();
});

beforeEach(() => {
  waiting = [];
  upstream.script = (_, response) => {
    waiting.push(response);
  };
});

/** A client that takes what comes, or nothing of it until it is told to. */
class Client {
  body = '';
  bytes = 0;
  status = 0;
  said = '';
  isWhole = false;
  isCut = false;
  response: IncomingMessage | null = null;
  readonly request: ClientRequest;

  constructor(path: string, headers: Readonly<Record<string, string>> = {}, isSlow = false) {
    this.request = get(`${gateway.url}${path}`, { headers, agent: false }, (response) => {
      this.response = response;
      this.status = response.statusCode ?? 0;
      this.said = String(response.headers['cache-status']);
      response.on('aborted', () => {
        this.isCut = true;
      });
      response.on('error', () => {});
      if (!isSlow) this.take();
    });
    this.request.on('error', () => {
      this.isCut = true;
    });
  }

  take(): void {
    this.response?.on('data', (bytes: Buffer) => {
      this.bytes += bytes.length;
      if (this.bytes < 1000) this.body += bytes.toString();
    });
    this.response?.on('end', () => {
      this.isWhole = true;
    });
  }
}

function path(prefix = ''): string {
  run += 1;
  return `${prefix}/${run}`;
}

/** The response for the one request that the target has got. */
async function asked(count = 1): Promise<ServerResponse> {
  await eventually('the target is asked', () => waiting.length >= count);
  return waiting[count - 1] as ServerResponse;
}

const FRESH = { 'cache-control': 'max-age=600' };
async function all(clients: readonly Client[], test: (client: Client) => boolean): Promise<void> {
  await eventually('all clients', () => clients.every(test)).catch((error: unknown) => {
    const left = clients.filter((client) => !test(client));
    const seen = left.map(({ status, said, body, bytes, isCut }) =>
      JSON.stringify({ status, said, body, bytes, isCut }),
    );
    throw new Error(`${String(error)}: ${seen.join('; ')}`);
  });
}

/** Enough that both workers have some. */
function clientsOf(at: string, count = 12): Client[] {
  return Array.from({ length: count }, () => new Client(at));
}

describe('a reply that is being fetched', () => {
  it.each([
    ['of a known length', { ...FRESH, 'content-length': '10' }],
    ['in chunks', FRESH],
  ])('goes to all who wait while it comes, %s', async (_, fields) => {
    const at = path();
    const clients = clientsOf(at);
    const response = await asked();
    response.writeHead(200, fields);
    response.write('first');
    await all(clients, ({ body }) => body === 'first');
    const late = [...clients, ...clientsOf(at)];
    await all(late, ({ body }) => body === 'first');
    response.end('-last');
    await all(late, ({ body, isWhole }) => isWhole && body === 'first-last');
    expect(waiting.length).toBe(1);
    expect(late.filter(({ said }) => /hit; ttl=\d+; collapsed/.test(said)).length).toBe(23);
    const after = new Client(at);
    await all([after], ({ isWhole }) => isWhole);
    expect(after.said).toMatch(/hit; ttl=\d+$/);
  });

  it('is not held back by the client that it is fetched for', async () => {
    const at = path();
    const body = Buffer.alloc(MAX, 'x');
    const slow = new Client(at, {}, true);
    const response = await asked();
    response.writeHead(200, { ...FRESH, 'content-length': String(MAX) });
    response.write(body.subarray(0, 1000));
    await eventually('the slow one has a head', () => slow.response !== null);
    const others = clientsOf(at);
    response.end(body.subarray(1000));
    await all(others, ({ isWhole, bytes }) => isWhole && bytes === MAX);
    slow.take();
    await all([slow], ({ isWhole, bytes }) => isWhole && bytes === MAX);
  });

  it('comes to its end for the others when that client leaves', async () => {
    const at = path();
    const first = new Client(at);
    const response = await asked();
    const others = clientsOf(at);
    response.writeHead(200, FRESH);
    response.write('first');
    await all([first, ...others], ({ body }) => body === 'first');
    first.request.socket?.resetAndDestroy();
    const clientsLeft = async (): Promise<number> => {
      const reply = await fetch(`${gateway.adminUrl}/metrics`);
      return Number(
        /^gateway_client_aborts_total(?:\{[^}]*\})? (\d+)/m.exec(await reply.text())?.[1],
      );
    };
    await eventually('the client has gone', async () => (await clientsLeft()) > 0);
    response.end('-last');
    await all(others, ({ isWhole, body }) => isWhole && body === 'first-last');
    expect(waiting.length).toBe(1);
  });

  it('is cut for those who have got some of it when its target dies', async () => {
    const at = path();
    const clients = clientsOf(at);
    const response = await asked();
    response.writeHead(200, { ...FRESH, 'content-length': '10' });
    response.write('first');
    await all(clients, ({ body }) => body === 'first');
    response.destroy();
    await all(clients, ({ isCut }) => isCut);
    const next = new Client(at);
    (await asked(2)).writeHead(200, FRESH).end('new');
    await all([next], ({ body, isWhole }) => isWhole && body === 'new');
  });

  it('is fetched by another one when its target dies before that', async () => {
    const at = path();
    const clients = clientsOf(at);
    (await asked()).destroy();
    (await asked(2)).writeHead(200, FRESH).end('new');
    await all(clients, ({ isWhole, isCut, body, status }) =>
      status === 502 ? true : !isCut && isWhole && body === 'new',
    );
    // Whoever fetched it first may have sent its request again, over a fresh connection.
    expect(clients.filter(({ status }) => status === 502).length).toBeLessThan(2);
    expect(waiting.length).toBe(2);
  });

  it('goes on at the pace of the slowest once it is too long to be stored', async () => {
    const at = path();
    const clients = clientsOf(at);
    const response = await asked();
    response.writeHead(200, FRESH);
    response.write('first');
    await all(clients, ({ body }) => body === 'first');
    const rest = Buffer.alloc(4 * 1024 * 1024, 'x');
    response.end(rest);
    await all(clients, ({ isWhole, bytes }) => isWhole && bytes === rest.length + 5);
    expect(waiting.length).toBe(1);
    const after = new Client(at);
    (await asked(2)).writeHead(200, FRESH).end('new');
    await all([after], ({ isWhole }) => isWhole);
  }, 60_000);

  it('is waited for as a whole by those who want a part, and by others no longer than allowed', async () => {
    const at = path('/short');
    const first = new Client(at);
    const response = await asked();
    response.writeHead(200, FRESH);
    response.write('first');
    const part = new Client(at, { range: 'bytes=0-1' });
    await all([first], ({ body }) => body === 'first');
    const own = await asked(2);
    own.writeHead(206, { 'content-range': 'bytes 0-1/5' }).end('fi');
    await all([part], ({ isWhole, status }) => isWhole && status === 206);
    response.end();
    await all([first], ({ isWhole }) => isWhole);
  });

  it('is not for those who come after it was purged', async () => {
    const at = path();
    const first = new Client(at);
    const response = await asked();
    response.writeHead(200, FRESH);
    response.write('old');
    await all([first], ({ body }) => body === 'old');
    const headers = { authorization: `Bearer ${TOKEN}` };
    const body = JSON.stringify({ all: true });
    await fetch(`${gateway.adminUrl}/cache/purge`, { method: 'POST', headers, body });
    const after = clientsOf(at);
    response.end();
    const next = await asked(2);
    next.writeHead(200, FRESH).end('new');
    await all(after, (client) => client.isWhole && client.body === 'new');
    expect(first.body).toBe('old');
  });

  it('passes the stages of the route for each who gets it', async () => {
    const at = path('/coded');
    const plain = new Client(at);
    const coded = new Client(at, { 'accept-encoding': 'gzip' });
    const response = await asked();
    response.writeHead(200, { ...FRESH, 'content-type': 'text/plain' });
    response.write('a'.repeat(500));
    await all([plain], ({ bytes }) => bytes === 500);
    response.end('b'.repeat(500));
    await all([plain, coded], ({ isWhole }) => isWhole);
    expect([plain.bytes, coded.response?.headers['content-encoding']]).toEqual([1000, 'gzip']);
    expect(coded.bytes).toBeLessThan(200);
    expect(waiting.length).toBe(1);
  });

  it('ends for those in the other worker when the worker that fetches it dies', async () => {
    const at = path();
    const clients = clientsOf(at);
    const response = await asked();
    response.writeHead(200, FRESH);
    response.write('first');
    await all(clients, ({ body }) => body === 'first');
    for (const worker of [0, 1]) {
      await fetch(`${gateway.adminUrl}/chaos/worker/${worker}/crash`, { method: 'POST' });
    }
    await all(clients, ({ isCut }) => isCut);
    upstream.script = (_, again) => {
      again.writeHead(200, FRESH).end('new');
    };
    await eventually('workers serve again', async () => {
      const reply = await fetch(`${gateway.url}${at}`).catch(() => null);
      return reply !== null && (await reply.text()) === 'new';
    });
  });
});
