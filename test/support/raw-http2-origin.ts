/** A target over HTTP/2 that does exactly what a test says, frame by frame. */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { HpackDecoder } from '../../src/wire/hpack/hpack-decoder.js';
import { HpackEncoder } from '../../src/wire/hpack/hpack-encoder.js';
import { CLIENT_PREFACE } from '../../src/wire/http2/frame-kinds.js';
import {
  FrameReader,
  READ_DATA,
  READ_DATA_END,
  READ_GOAWAY,
  READ_HEADERS,
  READ_MORE,
  READ_PING,
  READ_RESET,
  READ_SETTINGS,
  READ_WINDOW,
} from '../../src/wire/http2/frame-reader.js';
import { decodeBlock, encodeBlock, type Pair } from './hpack-blocks.js';
import { frame, number32 } from './http2-frames.js';

/** What came of one request. */
export interface RawRequest {
  readonly id: number;
  readonly fields: ReadonlyMap<string, string>;
  body: string;
  /** With END_STREAM. */
  isWhole: boolean;
  /** The code of the client's RST_STREAM; -1: it sent none. */
  resetCode: number;
  trailers: readonly Pair[] | null;
}

/** One connection, from the target's side. */
export class RawHttp2Peer {
  readonly requests: RawRequest[] = [];
  /** Bytes by which the client has opened the window of a stream; 0: of the connection. */
  readonly windows = new Map<number, number>();
  pings = 0;
  goAwayCode = -1;
  isClosed = false;
  private readonly reader = new FrameReader(1 << 20);
  private readonly decoder = new HpackDecoder();
  private readonly encoder = new HpackEncoder(4096);
  private prefaceLeft = CLIENT_PREFACE.length;

  constructor(
    readonly socket: Socket,
    private readonly origin: RawHttp2Origin,
  ) {
    socket.on('error', () => {});
    socket.on('close', () => {
      this.isClosed = true;
    });
    socket.on('data', (bytes) => this.take(bytes));
    this.write(origin.greeting);
  }

  write(...frames: readonly Buffer[]): void {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(frames));
  }

  headFrame(id: number, pairs: readonly Pair[], ends = false): Buffer {
    return frame(1, ends ? 5 : 4, id, encodeBlock(this.encoder, pairs));
  }

  /** A whole reply. */
  reply(id: number, body = 'ok', status = '200'): void {
    this.write(this.headFrame(id, [[':status', status]]), frame(0, 1, id, body));
  }

  reset(id: number, code: number): void {
    this.write(frame(3, 0, id, number32(code)));
  }

  goAway(lastId: number, code = 0): void {
    this.write(frame(7, 0, 0, Buffer.concat([number32(lastId), number32(code)])));
  }

  private take(bytes: Buffer): void {
    const start = Math.min(this.prefaceLeft, bytes.length);
    this.prefaceLeft -= start;
    for (let at = start; ; at = this.reader.at) {
      const event = this.reader.step(bytes, at, bytes.length);
      if (event === READ_MORE) return;
      this.onEvent(event, bytes);
    }
  }

  private onEvent(event: number, bytes: Buffer): void {
    const { reader } = this;
    const request = this.requests.find(({ id }) => id === reader.stream);
    if (event === READ_SETTINGS) this.onSettings();
    else if (event === READ_HEADERS) this.onHeaders(request);
    else if (event === READ_DATA && request !== undefined) {
      request.body += bytes.toString('latin1', reader.dataStart, reader.dataEnd);
    } else if (event === READ_DATA_END && request !== undefined) {
      if (reader.endsStream) request.isWhole = true;
      this.origin.onData(this, request);
    } else if (event === READ_RESET && request !== undefined) request.resetCode = reader.code;
    else if (event === READ_WINDOW) {
      this.windows.set(reader.stream, (this.windows.get(reader.stream) ?? 0) + reader.value);
    } else if (event === READ_GOAWAY) this.goAwayCode = reader.code;
    else if (event === READ_PING) {
      this.pings++;
      if (this.origin.answersPings) this.write(frame(6, 1, 0, reader.payload));
    }
  }

  private onSettings(): void {
    const { greeting, acksSettings } = this.origin;
    if (greeting.length > 0 && acksSettings) this.write(frame(4, 1, 0));
  }

  private onHeaders(request: RawRequest | undefined): void {
    const { reader } = this;
    const pairs = decodeBlock(this.decoder, reader.payload);
    if (pairs === null) throw new Error('a request that is not HPACK');
    if (request !== undefined) {
      request.trailers = pairs;
      request.isWhole = reader.endsStream;
      this.origin.onData(this, request);
      return;
    }
    const next = { id: reader.stream, fields: new Map(pairs), body: '', resetCode: -1 };
    const made: RawRequest = { ...next, isWhole: reader.endsStream, trailers: null };
    this.requests.push(made);
    this.origin.script(this, made);
  }
}

export class RawHttp2Origin {
  readonly peers: RawHttp2Peer[] = [];
  /** What each connection begins with. */
  greeting: Buffer = frame(4, 0, 0);
  answersPings = true;
  acksSettings = true;
  /** What is done with a request when its head is there. */
  script: (peer: RawHttp2Peer, request: RawRequest) => void = (peer, { id }) => peer.reply(id);
  /** More of its body has come, or its end. */
  onData: (peer: RawHttp2Peer, request: RawRequest) => void = () => {};

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {
    server.on('connection', (socket) => this.peers.push(new RawHttp2Peer(socket, this)));
  }

  static async start(): Promise<RawHttp2Origin> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new RawHttp2Origin(server, (server.address() as AddressInfo).port);
  }

  get requests(): RawRequest[] {
    return this.peers.flatMap((peer) => peer.requests);
  }

  async close(): Promise<void> {
    for (const { socket } of this.peers) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
