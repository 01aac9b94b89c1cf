/**
 * Sends over HTTP/2 what is written as requests of HTTP/1.1, one after the other on one connection,
 * and says what came as heads and bodies.
 */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
} from 'node:http2';
import { connect as connectTls } from 'node:tls';
import type { ClientPlace, SentRequest, TakenReply } from './head-client.js';

/** What HTTP/2 says in another way (RFC 9113 8.2.2). */
const OF_HTTP1: readonly string[] = ['host', 'connection', 'transfer-encoding', 'expect'];

/** Of others Node.js sends one alone. */
const MAY_REPEAT = /^(?:x-.*|cookie|via|forwarded)$/;

export class Http2HeadClient {
  private session: ClientHttp2Session | null = null;

  constructor(private readonly place: ClientPlace) {}

  private open(): ClientHttp2Session {
    const { port, localAddress, tls } = this.place;
    const options = { port, localAddress, host: '127.0.0.1', ALPNProtocols: ['h2'] };
    const session = connect('https://127.0.0.1', {
      createConnection: () => connectTls({ ...options, ...tls, rejectUnauthorized: false }),
    });
    const forget = (): void => {
      if (this.session === session) this.session = null;
    };
    session.on('error', () => {});
    session.on('goaway', forget).on('close', forget);
    return session;
  }

  /** Replies up to the first request that got none: its connection was lost. */
  async ask(requests: readonly SentRequest[]): Promise<TakenReply[]> {
    const replies: TakenReply[] = [];
    for (const request of requests) {
      const reply = await this.askOne(request);
      if (reply === null) break;
      replies.push(reply);
    }
    return replies;
  }

  private async askOne({ text }: SentRequest): Promise<TakenReply | null> {
    this.session ??= this.open();
    const { fields, body } = asHttp2(text);
    try {
      const stream = this.session.request(fields, { endStream: body === '' });
      if (body !== '') stream.end(body, 'latin1');
      return await replyOn(stream);
    } catch {
      this.session = null;
      return null;
    }
  }

  close(): void {
    this.session?.destroy();
    this.session = null;
  }
}

function replyOn(stream: ClientHttp2Stream): Promise<TakenReply> {
  return new Promise((resolve, reject) => {
    let head = '';
    let body = '';
    const add = (fields: IncomingHttpHeaders): void => {
      for (const [name, value] of Object.entries(fields)) head += `${name}: ${value}\r\n`;
    };
    stream.setEncoding('latin1');
    stream.on('headers', add).on('response', add).on('trailers', add);
    stream.on('data', (piece: string) => {
      body += piece;
    });
    stream.on('error', reject);
    stream.on('close', () => {
      if (stream.rstCode === 0 && head !== '') resolve({ head, body });
      else reject(new Error(`reset with ${stream.rstCode}`));
    });
  });
}

function asHttp2(text: string): { fields: Record<string, string | string[]>; body: string } {
  const end = text.indexOf('\r\n\r\n');
  const [start = '', ...lines] = text.slice(0, end).split('\r\n');
  const [method = '', whole = ''] = start.split(' ');
  const [, authority, path = ''] = /^(?:http:\/\/([^/]+))?(.*)$/.exec(whole) ?? [];
  const pairs = lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
  });
  const host = authority ?? pairs.find(([name]) => name === 'host')?.[1] ?? '';
  const fields: Record<string, string | string[]> = {
    ...{ ':method': method, ':scheme': 'https', ':authority': host, ':path': path },
  };
  for (const [name, value] of pairs) {
    const before = fields[name];
    if (OF_HTTP1.includes(name)) continue;
    if (before !== undefined && !MAY_REPEAT.test(name)) continue;
    fields[name] = before === undefined ? value : [before, value].flat();
  }
  const isChunked = pairs.some(([name]) => name === 'transfer-encoding');
  const coded = text.slice(end + 4);
  return { fields, body: isChunked ? firstChunk(coded) : coded };
}

/** The one chunk that there is. */
function firstChunk(coded: string): string {
  const start = coded.indexOf('\r\n') + 2;
  return coded.slice(start, start + Number.parseInt(coded, 16));
}
