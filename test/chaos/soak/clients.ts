/** Clients of a soak: over HTTP/1.1 and HTTP/2, both over TLS, on connections that are kept. */
import { type ClientHttp2Session, connect } from 'node:http2';
import { Agent, request } from 'node:https';

export interface Wish {
  readonly path: string;
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** The client leaves then; its reply has status 0. */
  readonly leaveAfterMs?: number;
}

export interface Answer {
  /** 0: no whole reply has come. */
  readonly status: number;
  readonly text: string;
  readonly headers: Readonly<Record<string, unknown>>;
  /** Why none has come. */
  readonly why: string;
}

const nothing = (why: string): Answer => ({ status: 0, text: '', headers: {}, why });

export class Clients {
  private readonly agent: Agent;
  private session: ClientHttp2Session | null = null;

  constructor(
    private readonly port: number,
    private readonly ca: string,
  ) {
    this.agent = new Agent({ keepAlive: true, maxSockets: 32, ca, servername: 'soak.test' });
  }

  /** Over HTTP/1.1. */
  ask({ path, method = 'GET', headers = {}, body, leaveAfterMs }: Wish): Promise<Answer> {
    const { agent, port } = this;
    return new Promise((resolve) => {
      const sent = request({ agent, host: '127.0.0.1', port, path, method, headers });
      sent.on('response', (reply) => {
        const pieces: Buffer[] = [];
        reply.on('data', (piece: Buffer) => pieces.push(piece));
        reply.on('error', (error) => resolve(nothing(`reply: ${error.message}`)));
        reply.on('end', () => {
          const text = Buffer.concat(pieces).toString();
          resolve({ status: reply.statusCode ?? 0, text, headers: reply.headers, why: '' });
        });
      });
      sent.on('error', (error) => resolve(nothing(error.message)));
      sent.end(body);
      if (leaveAfterMs !== undefined) setTimeout(() => sent.destroy(), leaveAfterMs);
    });
  }

  /** Over HTTP/2. */
  askOver2({ path, method = 'GET', headers = {}, body, leaveAfterMs }: Wish): Promise<Answer> {
    const session = this.usableSession();
    return new Promise((resolve) => {
      const stream = session.request({ ':path': path, ':method': method, ...headers });
      const pieces: Buffer[] = [];
      let head: Readonly<Record<string, unknown>> = {};
      stream.on('response', (fields) => {
        head = fields;
      });
      stream.on('data', (piece: Buffer) => pieces.push(piece));
      // A reply that ends before its upload does leaves the stream of Node.js open.
      stream.on('end', () => {
        const text = Buffer.concat(pieces).toString();
        resolve({ status: Number(head[':status'] ?? 0), text, headers: head, why: '' });
      });
      stream.on('error', () => {});
      stream.on('close', () => resolve(nothing(`stream ended with ${stream.rstCode}`)));
      stream.end(body);
      if (leaveAfterMs !== undefined) setTimeout(() => stream.close(8), leaveAfterMs);
    });
  }

  close(): void {
    this.agent.destroy();
    this.session?.destroy();
  }

  /** One that the gateway leaves in order (GOAWAY) is used no more. */
  private usableSession(): ClientHttp2Session {
    const known = this.session;
    if (known !== null && !known.closed && !known.destroyed) return known;
    const { ca } = this;
    const session = connect(`https://127.0.0.1:${this.port}`, { ca, servername: 'soak.test' });
    session.on('error', () => {});
    session.on('goaway', () => session.close());
    session.on('close', () => {
      if (this.session === session) this.session = null;
    });
    this.session = session;
    return session;
  }
}
