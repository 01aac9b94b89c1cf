/**
 * Requests over one connection, as the test writes them, and the replies to them in order. Only for
 * replies that say how long they are.
 */
import { connect, type Socket } from 'node:net';
import { eventually } from './eventually.js';

export interface StreamReply {
  readonly status: number;
  /** Names in lower case. */
  readonly fields: Readonly<Record<string, string>>;
  readonly body: string;
}

export class ReplyStream {
  readonly replies: StreamReply[] = [];
  isClosed = false;
  private text = '';

  private constructor(readonly socket: Socket) {
    socket.setEncoding('latin1').on('data', (chunk: string) => this.take(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.isClosed = true;
    });
  }

  static async open(port: number): Promise<ReplyStream> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await new Promise((resolve, reject) => {
      socket.once('connect', resolve).once('error', reject);
    });
    return new ReplyStream(socket);
  }

  private take(chunk: string): void {
    this.text += chunk;
    for (;;) {
      const end = this.text.indexOf('\r\n\r\n');
      if (end === -1) return;
      const [first = '', ...lines] = this.text.slice(0, end).split('\r\n');
      const pairs = lines.map((line) => line.split(/: (.*)/, 2) as [string, string]);
      const fields = Object.fromEntries(pairs.map(([name, value]) => [name.toLowerCase(), value]));
      const length = this.isHead ? 0 : Number(fields['content-length']);
      if (this.text.length < end + 4 + length) return;
      const body = this.text.slice(end + 4, end + 4 + length);
      this.replies.push({ status: Number(first.split(' ')[1]), fields, body });
      this.text = this.text.slice(end + 4 + length);
    }
  }

  /** Its requests are HEAD: replies have no bodies. */
  isHead = false;

  write(text: string): void {
    this.socket.write(text, 'latin1');
  }

  /** Sends one request and waits for its reply. */
  async ask(text: string): Promise<StreamReply> {
    const { length } = this.replies;
    this.write(text);
    return this.reply(length);
  }

  /** The reply at this place. */
  async reply(at: number): Promise<StreamReply> {
    await eventually(`reply ${at}`, () => this.replies.length > at || this.isClosed);
    const reply = this.replies[at];
    if (reply === undefined) throw new Error(`closed after ${this.replies.length} replies`);
    return reply;
  }

  close(): void {
    this.socket.destroy();
  }
}
