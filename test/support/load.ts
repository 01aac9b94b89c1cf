/**
 * Clients that send one request after the other, each on its own connection, until told to stop.
 */
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { request as requestSecure, type Agent as SecureAgent } from 'node:https';
import { setTimeout as rest } from 'node:timers/promises';

/** Where nobody listens a client would else try thousands of times a second. */
const REST_AFTER_CUT_MS = 10;

export interface LoadReply {
  /** 0: the connection was cut before the reply was complete. */
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** Why it was cut; empty: it was not. */
  readonly cause: string;
  /** When it was sent, and when the whole reply was there, on the clock of `performance.now`. */
  readonly sentMs: number;
  readonly repliedMs: number;
}

export class Load {
  /** Replies by status; 0: cut. */
  readonly counts = new Map<number, number>();
  /** Replies that were neither 200 nor 429. */
  readonly others: LoadReply[] = [];
  replies = 0;
  /** Connections that were opened; as many as there are clients unless one was closed. */
  connections = 0;
  private isStopping = false;
  private readonly clients: Promise<void>[] = [];

  constructor(
    private readonly url: string,
    connections: number,
    private readonly onReply: (reply: LoadReply) => void = () => {},
    /** How connections are opened and kept. */
    private readonly agent: Agent | SecureAgent = new Agent({
      keepAlive: true,
      maxSockets: connections,
    }),
  ) {
    for (let client = 0; client < connections; client++) this.clients.push(this.run());
  }

  count(status: number): number {
    return this.counts.get(status) ?? 0;
  }

  /** Each client finishes the request that it has under way. */
  async stop(): Promise<void> {
    this.isStopping = true;
    await Promise.all(this.clients);
    this.agent.destroy();
  }

  private async run(): Promise<void> {
    while (!this.isStopping) {
      const reply = await this.send();
      this.replies++;
      this.counts.set(reply.status, this.count(reply.status) + 1);
      if (reply.status !== 200 && reply.status !== 429) this.others.push(reply);
      this.onReply(reply);
      if (reply.status === 0) await rest(REST_AFTER_CUT_MS);
    }
  }

  private send(): Promise<LoadReply> {
    const sentMs = performance.now();
    return new Promise((resolve) => {
      const end = (status: number, headers: IncomingHttpHeaders, body: string, cause = ''): void =>
        resolve({ status, headers, body, cause, sentMs, repliedMs: performance.now() });
      const cut = (error: Error): void => end(0, {}, '', String(error));
      const open = this.url.startsWith('https:') ? requestSecure : request;
      const sent = open(this.url, { agent: this.agent }, (reply) => {
        let body = '';
        reply.setEncoding('utf8');
        reply.on('data', (chunk: string) => {
          body += chunk;
        });
        reply.on('error', cut);
        reply.on('end', () => end(reply.statusCode ?? 0, reply.headers, body));
      });
      sent.on('socket', (socket) => {
        if (!socket.connecting) return;
        this.connections++;
      });
      sent.on('error', cut);
      sent.end();
    });
  }
}
