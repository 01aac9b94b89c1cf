/**
 * Asks one service over HTTP and waits for its whole answer, with a limit on time and size.
 *
 * Thread: worker. Owns a bounded number of kept-alive connections: further calls wait for one
 * within their own time. Redirects are not followed.
 */
import { Client, type Dispatcher } from 'undici';
import { WorkQueue } from './work-queue.js';

const CONNECTIONS_MAX = 64;
/** Most calls that wait; any more could not be in time. */
const WAITING_MAX = 1024;
const ANSWER_BYTES_MAX = 64 * 1024;

export interface HttpCall {
  readonly method: 'GET' | 'POST';
  /** Names and values in turn. */
  readonly headers: string[];
  readonly body?: string;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Dispatcher.ResponseData['headers'];
  /** null: it is larger than an answer may be. */
  readonly body: Buffer | null;
}

export class HttpCaller {
  private readonly origin: string;
  private readonly path: string;
  private readonly free: Client[] = [];
  private readonly clients = new Set<Client>();
  private readonly queue = new WorkQueue(CONNECTIONS_MAX, WAITING_MAX);

  constructor(
    url: string,
    private readonly timeoutMs: number,
  ) {
    const { origin, pathname, search } = new URL(url);
    this.origin = origin;
    this.path = pathname + search;
  }

  /** Resolves with the answer, or with undefined when there is no usable one. */
  async call(call: HttpCall): Promise<HttpAnswer | undefined> {
    const signal = AbortSignal.timeout(this.timeoutMs);
    return (await this.queue.run(() => this.callWithin(call, signal))) ?? undefined;
  }

  private async callWithin(call: HttpCall, signal: AbortSignal): Promise<HttpAnswer | undefined> {
    if (signal.aborted) return undefined;
    const isKept = this.free.length > 0;
    const first = await this.attempt(call, signal);
    // The service may have closed a kept-alive connection, which says nothing about its state.
    if (first !== 'broken' || !isKept || signal.aborted)
      return first === 'broken' ? undefined : first;
    const second = await this.attempt(call, signal);
    return second === 'broken' ? undefined : second;
  }

  async close(): Promise<void> {
    const clients = [...this.clients];
    this.clients.clear();
    this.free.length = 0;
    await Promise.all(clients.map((client) => client.destroy()));
  }

  private async attempt(call: HttpCall, signal: AbortSignal): Promise<HttpAnswer | 'broken'> {
    const client = this.free.pop() ?? this.open();
    try {
      const { method, headers, body = null } = call;
      const answer = await client.request({ path: this.path, method, headers, body, signal });
      const bytes = await readBody(answer.body);
      // The rest of a body that is too large would keep the connection busy.
      if (bytes === null) this.giveUp(client);
      else this.free.push(client);
      return { status: answer.statusCode, headers: answer.headers, body: bytes };
    } catch {
      // Refused, reset, too late, or not HTTP: the caller decides what follows without an answer.
      this.giveUp(client);
      return 'broken';
    }
  }

  private open(): Client {
    const client = new Client(this.origin, {
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: { timeout: this.timeoutMs },
    });
    this.clients.add(client);
    return client;
  }

  private giveUp(client: Client): void {
    this.clients.delete(client);
    void client.destroy();
  }
}

async function readBody(body: Dispatcher.ResponseData['body']): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
