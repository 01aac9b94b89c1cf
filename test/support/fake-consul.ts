/**
 * A stand-in for a Consul agent: keys with blocking queries, transactions and sessions, as far as a
 * store of configurations uses them; and a script of answers that agents give on bad days.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Entry {
  readonly value: string;
  readonly index: number;
  readonly session: string;
}

/** How to answer instead; `null`: never. */
export type BadAnswer = {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
} | null;

export class FakeConsul {
  readonly entries = new Map<string, Entry>();
  readonly sessions = new Set<string>();
  /** Method and path of each call, in order. */
  readonly calls: string[] = [];
  /** What clients have shown as their token. */
  readonly tokens = new Set<string>();
  /** What reads of keys get as long as it is set. */
  bad: BadAnswer | undefined = undefined;
  index = 10;
  private readonly server: Server;
  private readonly waiting = new Set<() => void>();
  private serial = 0;

  private constructor() {
    this.server = createServer((request, reply) => void this.answer(request, reply));
  }

  static async start(): Promise<FakeConsul> {
    const consul = new FakeConsul();
    consul.server.listen(0, '127.0.0.1');
    await once(consul.server, 'listening');
    return consul;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  set(key: string, text: string | null): void {
    this.index += 1;
    if (text === null) this.entries.delete(key);
    else {
      const value = Buffer.from(text).toString('base64');
      this.entries.set(key, { value, index: this.index, session: '' });
    }
    this.wakeAll();
  }

  /** Blocking queries return now. */
  wakeAll(): void {
    for (const wake of [...this.waiting]) wake();
  }

  get blocked(): number {
    return this.waiting.size;
  }

  async stop(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }

  private async answer(request: IncomingMessage, reply: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://consul');
    this.calls.push(`${request.method} ${url.pathname}${url.search}`);
    this.tokens.add(String(request.headers['x-consul-token'] ?? ''));
    let body = '';
    for await (const piece of request.setEncoding('utf8')) body += piece;
    if (url.pathname === '/v1/txn') this.transact(JSON.parse(body), reply);
    else if (url.pathname.startsWith('/v1/session/')) this.session(url.pathname, reply);
    else if (request.method === 'PUT') this.put(url, body, reply);
    else await this.get(url, reply);
  }

  private async get(url: URL, reply: ServerResponse): Promise<void> {
    const wanted = Number(url.searchParams.get('index') ?? 0);
    if (this.bad === undefined && wanted >= this.index) {
      const waitMs = Number.parseInt(url.searchParams.get('wait') ?? '0', 10);
      await new Promise<void>((resolve) => {
        const end = (): void => {
          this.waiting.delete(end);
          resolve();
        };
        this.waiting.add(end);
        setTimeout(end, waitMs).unref();
        reply.on('close', end);
      });
    }
    const { bad } = this;
    if (bad === null) return;
    if (bad !== undefined) {
      reply.writeHead(bad.status, { 'X-Consul-Index': String(this.index), ...bad.headers });
      reply.end(bad.body ?? '');
      return;
    }
    const key = decodeURIComponent(url.pathname.slice('/v1/kv/'.length));
    const isRange = url.searchParams.has('recurse') || url.searchParams.has('keys');
    const found = [...this.entries].filter(([name]) =>
      isRange ? name.startsWith(key) : name === key,
    );
    reply.setHeader('X-Consul-Index', String(this.index));
    reply.setHeader('X-Consul-KnownLeader', 'true');
    reply.statusCode = found.length === 0 ? 404 : 200;
    if (found.length === 0) reply.end();
    else if (url.searchParams.has('keys')) reply.end(JSON.stringify(found.map(([name]) => name)));
    else {
      const rows = found.map(([name, entry]) => ({
        ...{ Key: name, Value: entry.value, ModifyIndex: entry.index },
      }));
      reply.end(JSON.stringify(rows));
    }
  }

  private put(url: URL, body: string, reply: ServerResponse): void {
    const key = decodeURIComponent(url.pathname.slice('/v1/kv/'.length));
    const session = url.searchParams.get('acquire') ?? '';
    const holder = this.entries.get(key)?.session ?? '';
    const isOurs = this.sessions.has(session) && (holder === '' || holder === session);
    if (isOurs) {
      this.index += 1;
      const value = Buffer.from(body).toString('base64');
      this.entries.set(key, { value, index: this.index, session });
      this.wakeAll();
    }
    reply.end(String(isOurs));
  }

  /** Ends a session, and takes its keys away. */
  endSession(id: string): void {
    this.sessions.delete(id);
    for (const [key, { session }] of this.entries) if (session === id) this.set(key, null);
  }

  private session(path: string, reply: ServerResponse): void {
    const [, , , verb, id = ''] = path.split('/');
    if (verb === 'create') {
      this.serial += 1;
      this.sessions.add(`session-${this.serial}`);
      reply.end(JSON.stringify({ ID: `session-${this.serial}` }));
      return;
    }
    if (!this.sessions.has(id)) reply.statusCode = 404;
    if (verb === 'destroy') this.endSession(id);
    reply.end('true');
  }

  private transact(
    steps: readonly { KV: { Verb: string; Key: string; Value?: string; Index?: number } }[],
    reply: ServerResponse,
  ): void {
    const isRight = steps.every(({ KV: { Verb: verb, Key: key, Index: index = 0 } }) => {
      const now = this.entries.get(key)?.index ?? 0;
      if (verb === 'check-not-exists') return now === 0;
      return ['cas', 'delete-cas', 'check-index'].includes(verb) ? now === index : true;
    });
    if (!isRight || steps.length > 64) {
      reply.statusCode = 409;
      reply.end(
        JSON.stringify({ Results: null, Errors: [{ OpIndex: 0, What: 'index is stale' }] }),
      );
      return;
    }
    this.index += 1;
    for (const { KV: step } of steps) {
      const { Verb: verb, Key: key, Value: value = '' } = step;
      if (verb.startsWith('delete')) this.entries.delete(key);
      else if (!verb.startsWith('check')) {
        this.entries.set(key, { value, index: this.index, session: '' });
      }
    }
    this.wakeAll();
    reply.end(JSON.stringify({ Results: [], Errors: null }));
  }
}
