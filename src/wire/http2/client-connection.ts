/**
 * A connection to a target that speaks HTTP/2: requests out, bytes in, events of replies out.
 *
 * Thread: any (pure). RFC 9113. No socket and no clock: the owner hands over what was read with
 * the time, and takes what is to be written once a turn.
 *
 *     request, sendData, sendEnd, reset, credit ──► takeOutput()
 *     receive(bytes) ──► handler.onHead, onInterim, onData, onEnd, onReset, onWindow, onClose
 *
 * Invariants: no more streams are open than the target allows, none before its settings are there
 * and none behind its GOAWAY. A stream that the target has not looked at is told apart from one
 * that it may have served. A reply has ended only where END_STREAM says so. Fields of requests are
 * in no table (hpack-encoder.ts says why). stream-connection.ts and sending-side.ts have the
 * invariants that hold on both sides.
 */
import { assert } from '../../base/assert.js';
import { type FieldBlock, NO_FIELDS } from '../../base/field-block.js';
import type { ClientHandler } from './client-handler.js';
import { type ClientOptions, clientSettings } from './client-options.js';
import { ClientStream } from './client-stream.js';
import { CLOSED_BY_US } from './closed-streams.js';
import {
  CANCEL,
  CLIENT_PREFACE,
  errorName,
  NO_ERROR,
  NUMBER_MAX,
  PROTOCOL_ERROR,
  REFUSED_STREAM,
} from './frame-kinds.js';
import { encodeReply, linesOf } from './reply-block.js';
import { ReplyFields } from './reply-fields.js';
import { encodeRequest, type RequestStart } from './request-block.js';
import { StreamConnection } from './stream-connection.js';

/** Why a stream was reset whose reply has more fields than are read. */
export const REPLY_HEAD_TOO_LARGE = 'head too large';
/** As many as HTTP/1.1 allows before a reply. */
const INTERIM_REPLIES_MAX = 100;
const NO_TABLE_BYTES = 0;
const HTTP1_BEGINNING = 'HTTP/';

export class ClientConnection extends StreamConnection<ClientStream> {
  /** The target has said that it takes no more streams. */
  isGoingAway = false;
  /** The code of its GOAWAY. */
  goAwayCode = NO_ERROR;

  private readonly fields = new ReplyFields();
  private nextStream = 1;
  /** What came first, to name a target that speaks another protocol. */
  private beginning = '';

  constructor(
    private readonly options: ClientOptions,
    private readonly handler: ClientHandler,
    nowMs: number,
  ) {
    super(options, handler, {
      tableBytes: NO_TABLE_BYTES,
      limits: options.limits,
      keepsUnderscores: true,
      nowMs,
    });
    this.writer.raw(CLIENT_PREFACE);
    this.begin(clientSettings(options));
  }

  /** Whether the target is ready for another stream. */
  get canRequest(): boolean {
    return this.mayRequest && this.streams.size < this.streamsMax;
  }

  /** Whether it will be, when enough of those that are open have ended. */
  get mayRequest(): boolean {
    const isOpen = this.hasSettings && !this.isClosed && !this.isGoingAway;
    return isOpen && this.nextStream <= NUMBER_MAX;
  }

  /** Streams that may be open at once: as many as both sides allow. */
  get streamsMax(): number {
    return Math.min(this.options.streamsMax, this.peer.streamsMax);
  }

  /** The target takes extended CONNECT (RFC 8441). */
  get mayConnect(): boolean {
    return this.peer.mayConnect;
  }

  // Hot path (bench/gateway/plain-get): every request to such a target.
  /**
   * Opens a stream, which canRequest allows. `fields`: names and values in turn, of which those of
   * an HTTP/1.1 connection are not sent; `ends`: there is no body.
   */
  request(start: RequestStart, fields: readonly string[], ends: boolean): ClientStream {
    assert(this.canRequest, 'the target takes another stream');
    const id = this.nextStream;
    this.nextStream += 2;
    const { streamWindowBytes } = this.options;
    const isHead = start.method === 'HEAD';
    const stream = new ClientStream(id, this.peer.initialWindow, streamWindowBytes, isHead);
    this.streams.set(id, stream);
    this.budget.earn();
    this.writer.headers(id, encodeRequest(this.encoder, start, fields), ends);
    if (ends) stream.isLocalClosed = true;
    return stream;
  }

  /** Ends the request behind its body, with trailers or none. */
  sendEnd(stream: ClientStream, trailers: FieldBlock): void {
    if (stream.isOver) return;
    assert(!stream.isLocalClosed, 'a request has one end');
    if (trailers === NO_FIELDS) this.writer.data(stream.id, Buffer.alloc(0), true);
    else this.writer.headers(stream.id, encodeReply(this.encoder, 0, linesOf(trailers)), true);
    this.endLocal(stream);
  }

  /** Asks for a sign of life. `payload`: eight bytes. */
  ping(payload: Uint8Array): void {
    this.writer.ping(payload, false);
  }

  /** Says that the connection is about to be closed. No stream may be open. */
  sayGoodbye(): void {
    if (!this.isClosed) this.writer.goAway(0, NO_ERROR);
  }

  /** The socket is gone: nothing comes any more, and nothing can be sent. */
  lose(reason: string): void {
    if (!this.isClosed) this.close(NO_ERROR, reason);
  }

  // Hot path (bench/gateway/plain-get): every read of such a target's socket.
  receive(bytes: Buffer, nowMs: number): void {
    if (!this.hasSettings && this.beginning.length < HTTP1_BEGINNING.length) {
      this.beginning += bytes.toString('latin1', 0, HTTP1_BEGINNING.length);
    }
    this.readFrames(bytes, 0, nowMs);
  }

  override fail(code: number, reason: string): void {
    const isHttp1 = !this.hasSettings && this.beginning.startsWith(HTTP1_BEGINNING);
    super.fail(code, isHttp1 ? 'it speaks HTTP/1.1, and not HTTP/2' : reason);
  }

  protected override isIdle(id: number): boolean {
    return id >= this.nextStream || id % 2 === 0;
  }

  /** Targets open none. */
  protected override get lastPeerStream(): number {
    return 0;
  }

  protected override onPeerSettings(): void {
    this.handler.onSettings();
  }

  protected override onPingAck(): void {
    this.handler.onPong();
  }

  protected override onPeerReset(stream: ClientStream, code: number): void {
    stream.isEndedByPeer = true;
    stream.isUnprocessed = code === REFUSED_STREAM && !stream.hasHead;
    this.handler.onReset(stream, code, `the target has reset the stream: ${errorName(code)}`);
  }

  protected override onGoAway(): void {
    const { value: last, code } = this.reader;
    this.spend('farewells');
    if (this.isClosed) return;
    this.isGoingAway = true;
    if (code !== NO_ERROR || this.goAwayCode === NO_ERROR) this.goAwayCode = code;
    const reason = `the target has sent GOAWAY: ${errorName(code)}`;
    for (const stream of [...this.streams.values()]) {
      if (stream.id <= last || stream.isOver) continue;
      stream.isEndedByPeer = true;
      stream.isUnprocessed = !stream.hasHead;
      this.forget(stream, CLOSED_BY_US);
      this.handler.onReset(stream, code, reason);
    }
    this.handler.onGoAway(code);
  }

  protected override dataMistakeOf(stream: ClientStream, dataBytes: number): string {
    if (!stream.hasHead) return 'DATA before the head of the reply';
    return stream.isBodiless && dataBytes > 0 ? 'DATA in a reply without a body' : '';
  }

  protected override onHeaders(): void {
    const { stream: id } = this.reader;
    const stream = this.streams.get(id);
    const isHead = stream?.hasHead === false;
    const sink = isHead ? this.fields : this.trailers;
    sink.begin();
    if (!this.decode(sink)) return;
    if (stream === undefined) {
      if (this.isIdle(id)) this.fail(PROTOCOL_ERROR, 'HEADERS on a stream that is idle');
      else this.onFrameOfClosed(id);
    } else if (isHead) {
      this.onReplyHead(stream, this.reader.endsStream);
    } else {
      this.onTrailers(stream);
    }
  }

  private onReplyHead(stream: ClientStream, endsStream: boolean): void {
    const { fields, decoder } = this;
    // Of a head that is too large some may be missing: that alone is told.
    if (decoder.isOversize) {
      this.breakStream(stream, CANCEL, REPLY_HEAD_TOO_LARGE);
      return;
    }
    fields.finish(decoder.text);
    const mistake = this.mistakeOf(stream, fields, endsStream);
    if (mistake !== '') {
      this.breakStream(stream, PROTOCOL_ERROR, mistake);
      return;
    }
    const { status } = fields;
    if (status < 200) {
      stream.interimCount++;
      this.handler.onInterim(stream, status, fields.fields);
      return;
    }
    stream.hasHead = true;
    stream.isBodiless ||= status === 204 || status === 304;
    stream.lengthLeft = stream.isBodiless ? -1 : fields.bodyBytes;
    if (endsStream && stream.lengthLeft > 0) {
      this.breakStream(stream, PROTOCOL_ERROR, 'less than the Content-Length');
      return;
    }
    this.handler.onHead(stream, fields);
    if (endsStream && !stream.isOver) this.endRemote(stream, NO_FIELDS);
  }

  private mistakeOf(stream: ClientStream, { mistake, status }: ReplyFields, ends: boolean): string {
    if (mistake !== '') return mistake;
    if (this.reader.isSelfDependent) return 'a stream that depends on itself';
    if (status >= 200) return '';
    if (status === 101) return 'a 101, which HTTP/2 does not have';
    if (ends) return 'an interim reply that ends the stream';
    return stream.interimCount >= INTERIM_REPLIES_MAX ? 'too many interim replies' : '';
  }
}
