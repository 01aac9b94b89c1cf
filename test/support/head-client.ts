/**
 * A client that sends heads as they are, and takes replies apart by their framing alone: on one
 * connection, or with each request on another one.
 */
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

const WAIT_MS_MAX = 20_000;

/** Where a connection comes from, and what it says of itself before its first request. */
export interface ClientPlace {
  readonly port: number;
  readonly localAddress: string;
  /** A header of the PROXY protocol, or ''. */
  readonly preamble: string;
  /** Absent: no TLS. With a certificate of the client, or without one. */
  readonly tls?: { readonly key?: string; readonly cert?: string };
}

export interface SentRequest {
  readonly method: string;
  /** The head with its empty line, and the body. */
  readonly text: string;
}

/** The head of a reply and its body; interim heads stand before it. */
export interface TakenReply {
  readonly head: string;
  readonly body: string;
}

export class HeadClient {
  private text = '';
  private onChange = (): void => {};
  private socket: Socket | null = null;

  constructor(private readonly place: ClientPlace) {}

  private open(): Socket {
    const { preamble, tls, port, localAddress } = this.place;
    const options = { port, localAddress, host: '127.0.0.1' };
    const secure = { ...options, ...tls, rejectUnauthorized: false };
    const socket = tls === undefined ? connect(options) : connectTls(secure);
    this.text = '';
    socket.setEncoding('latin1').on('data', (piece: string) => {
      this.text += piece;
      this.onChange();
    });
    socket
      .on('error', () => {})
      .on('close', () => {
        if (this.socket !== socket) return;
        this.socket = null;
        this.onChange();
      });
    socket.write(preamble);
    return socket;
  }

  /**
   * Sends requests at once. Replies of those that were answered before the connection has closed,
   * if it has.
   */
  async ask(requests: readonly SentRequest[]): Promise<TakenReply[]> {
    this.socket ??= this.open();
    this.socket.write(requests.map(({ text }) => text).join(''), 'latin1');
    const replies: TakenReply[] = [];
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('neither a reply nor an end')), WAIT_MS_MAX);
      this.onChange = () => {
        this.takeAll(requests, replies);
        if (replies.length < requests.length && this.socket !== null) return;
        clearTimeout(timer);
        resolve();
      };
    });
    return replies;
  }

  private takeAll(requests: readonly SentRequest[], replies: TakenReply[]): void {
    for (;;) {
      const { method } = requests[replies.length] ?? {};
      const reply = method === undefined ? null : this.take(method, this.socket === null);
      if (reply === null) return;
      replies.push(reply);
      if (/^connection: close/im.test(reply.head)) this.close();
    }
  }

  /** null: there is no whole reply yet. */
  private take(method: string, isOver: boolean): TakenReply | null {
    let end = 0;
    let status = 0;
    do {
      const start = end;
      end = this.text.indexOf('\r\n\r\n', start) + 4;
      if (end < 4) return null;
      status = Number(this.text.slice(start + 9, start + 12));
    } while (status < 200 && status !== 101);
    const head = this.text.slice(0, end);
    const isBodiless = method === 'HEAD' || status === 204 || status === 304;
    const length = isBodiless ? 0 : this.lengthOf(head, end, isOver);
    if (length === -1 || this.text.length < end + length) return null;
    const body = this.text.slice(end, end + length);
    this.text = this.text.slice(end + length);
    return { head, body };
  }

  /** -1: its end has not come. */
  private lengthOf(head: string, start: number, isOver: boolean): number {
    const length = /^content-length: (\d+)/im.exec(head)?.[1];
    if (length !== undefined) return Number(length);
    if (!/^transfer-encoding: chunked/im.test(head)) return isOver ? this.text.length - start : -1;
    const last = /(?:^|\r\n)0\r\n(?:[^\r]+\r\n)*\r\n/.exec(this.text.slice(start));
    return last === null ? -1 : last.index + last[0].length;
  }

  close(): void {
    this.socket?.destroy();
    this.socket = null;
  }
}
