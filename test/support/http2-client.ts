/**
 * A client of HTTP/2 that sends any frames at all. What comes is read by code of its own, but for
 * HPACK, and kept as a line for each frame.
 */
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { HpackDecoder } from '../../src/wire/hpack/hpack-decoder.js';
import { HpackEncoder } from '../../src/wire/hpack/hpack-encoder.js';
import { CLIENT_PREFACE } from '../../src/wire/http2/frame-kinds.js';
import { eventually } from './eventually.js';
import { decodeBlock, encodeBlock, type Pair } from './hpack-blocks.js';
import { frame } from './http2-frames.js';

const DATA = 0;
const HEADERS = 1;
const SETTINGS = 4;
const END_STREAM = 1;
const END_HEADERS = 4;

export interface ClientWish {
  /** What is sent before the preface. */
  readonly intro?: string;
  /** Parameters of the first SETTINGS, as id and value. */
  readonly settings?: readonly (readonly [id: number, value: number])[];
  /** Not set: plain text. */
  readonly tls?: { readonly servername: string };
  /** Acknowledges SETTINGS and PINGs; default: true, unless it is silent. */
  readonly isPolite?: boolean;
  /** Sends nothing by itself. */
  readonly isSilent?: boolean;
}

export class Http2Client {
  /** `reset 1 8`, `goaway 1 0`, `headers 1 :status=200 x=y END`, `data 1 text END`, … */
  readonly lines: string[] = [];
  /** Bodies by stream. */
  readonly bodies = new Map<number, string>();
  /** Reads of the socket. */
  reads = 0;
  isClosed = false;
  readonly encoder = new HpackEncoder(4096);

  private readonly decoder = new HpackDecoder();
  private rest = Buffer.alloc(0);
  private block = Buffer.alloc(0);

  private constructor(
    readonly socket: Socket,
    private readonly isPolite: boolean,
  ) {
    socket.on('data', (bytes: Buffer) => {
      this.reads += 1;
      this.rest = Buffer.concat([this.rest, bytes]);
      this.read();
    });
    socket.on('error', () => {});
    for (const event of ['end', 'close']) socket.on(event, () => (this.isClosed = true));
  }

  static async connect(port: number, wish: ClientWish = {}): Promise<Http2Client> {
    const { tls, intro = '', settings = [], isSilent = false, isPolite = !isSilent } = wish;
    const options = { port, host: '127.0.0.1', noDelay: true };
    const secure = { ...options, ALPNProtocols: ['h2'], rejectUnauthorized: false, ...tls };
    const socket = tls === undefined ? connect(options) : connectTls(secure);
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.once(tls === undefined ? 'connect' : 'secureConnect', () => resolve());
    });
    const client = new Http2Client(socket, isPolite);
    socket.write(Buffer.from(intro, 'latin1'));
    if (!isSilent) client.send(CLIENT_PREFACE, settingsFrame(settings));
    return client;
  }

  send(...frames: readonly (Buffer | string)[]): this {
    const bytes = frames.map((one) => (typeof one === 'string' ? Buffer.from(one, 'latin1') : one));
    // Whoever has closed its side acknowledges nothing any more.
    if (!this.socket.writableEnded) this.socket.write(Buffer.concat(bytes));
    return this;
  }

  /** The frame of a request. */
  head(
    stream: number,
    ends: boolean,
    more: readonly Pair[] = [],
    method = 'GET',
    path = `/${stream}`,
  ): Buffer {
    return this.fields(stream, ends, [
      [':method', method],
      [':scheme', 'http'],
      [':authority', 'a.example'],
      [':path', path],
      ...more,
    ]);
  }

  fields(stream: number, ends: boolean, pairs: readonly Pair[]): Buffer {
    const flags = END_HEADERS | (ends ? END_STREAM : 0);
    return frame(HEADERS, flags, stream, encodeBlock(this.encoder, pairs));
  }

  data(stream: number, bytes: Buffer | string, ends = false): Buffer {
    return frame(DATA, ends ? END_STREAM : 0, stream, bytes);
  }

  /** Asks, and waits for all of the reply. */
  async get(stream: number, more: readonly Pair[] = []): Promise<string> {
    this.send(this.head(stream, true, more));
    await this.ended(stream);
    return this.bodies.get(stream) ?? '';
  }

  async ended(stream: number): Promise<void> {
    await this.until(new RegExp(`^(headers|data) ${stream} .*END$`));
  }

  /** Waits for a frame, and returns its line. */
  async until(line: RegExp | string): Promise<string> {
    const found = (): string | undefined =>
      this.lines.find((one) => (typeof line === 'string' ? one === line : line.test(one)));
    await eventually(`${line} comes`, () => found() !== undefined).catch((error: Error) => {
      throw new Error(`${error.message}; there is ${this.lines.join(' | ').slice(-800)}`);
    });
    return found() ?? '';
  }

  async closed(): Promise<void> {
    await eventually('the connection is closed', () => this.isClosed);
  }

  destroy(): void {
    this.socket.destroy();
  }

  private read(): void {
    while (this.rest.length >= 9) {
      const length = this.rest.readUIntBE(0, 3);
      if (this.rest.length < 9 + length) return;
      const [type = 0, flags = 0] = this.rest.subarray(3, 5);
      const stream = this.rest.readUInt32BE(5);
      const payload = this.rest.subarray(9, 9 + length);
      this.rest = this.rest.subarray(9 + length);
      this.onFrame(type, flags, stream, payload);
    }
  }

  private onFrame(type: number, flags: number, stream: number, payload: Buffer): void {
    const end = (flags & END_STREAM) === 0 ? '' : ' END';
    switch (type) {
      case DATA: {
        const text = payload.toString('latin1');
        this.bodies.set(stream, (this.bodies.get(stream) ?? '') + text);
        this.lines.push(`data ${stream} ${text.length > 40 ? text.length : text}${end}`);
        return;
      }
      case HEADERS:
      case 9:
        this.onFields(flags, stream, payload, end);
        return;
      case 3:
        this.lines.push(`reset ${stream} ${payload.readUInt32BE(0)}`);
        return;
      case SETTINGS:
        this.onSettings(flags, payload);
        return;
      case 6:
        this.onPing(flags, payload);
        return;
      case 7:
        this.lines.push(`goaway ${payload.readUInt32BE(0)} ${payload.readUInt32BE(4)}`);
        return;
      case 8:
        this.lines.push(`window ${stream} ${payload.readUInt32BE(0)}`);
        return;
      default:
        this.lines.push(`frame ${type}`);
    }
  }

  private onFields(flags: number, stream: number, payload: Buffer, end: string): void {
    this.block = Buffer.concat([this.block, payload]);
    if ((flags & END_HEADERS) === 0) return;
    const pairs = decodeBlock(this.decoder, this.block);
    this.block = Buffer.alloc(0);
    if (pairs === null) throw new Error('the header block of a reply is malformed');
    const fields = pairs.map(([name, value]) => `${name}=${value}`).join(' ');
    this.lines.push(`headers ${stream} ${fields}${end}`);
  }

  private onSettings(flags: number, payload: Buffer): void {
    this.lines.push((flags & 1) === 0 ? `settings ${payload.toString('hex')}` : 'settings ack');
    if ((flags & 1) === 0 && this.isPolite) this.send(frame(SETTINGS, 1, 0));
  }

  private onPing(flags: number, payload: Buffer): void {
    this.lines.push(`ping${(flags & 1) === 0 ? '' : ' ack'} ${payload.toString('latin1')}`);
    if ((flags & 1) === 0 && this.isPolite) this.send(frame(6, 1, 0, payload));
  }
}

export function settingsFrame(values: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(6 * values.length);
  for (const [at, [id, value]] of values.entries()) {
    payload.writeUInt16BE(id, 6 * at);
    payload.writeUInt32BE(value, 6 * at + 2);
  }
  return frame(SETTINGS, 0, 0, payload);
}
