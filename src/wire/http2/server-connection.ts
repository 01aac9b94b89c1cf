/**
 * The connection of a client that speaks HTTP/2: bytes in, events out, replies in.
 *
 * Thread: any (pure). RFC 9113. No socket and no clock: the owner hands over what was read with
 * the time, and takes what is to be written once a turn.
 *
 *     receive(bytes) ──► handler.onHead, onData, onEnd, onReset, onWindow, onClose
 *     sendInterim, sendHead, sendData, sendEnd, reset, credit, goAway ──► takeOutput()
 *
 * Invariants: every header block is decoded, also of streams that are refused, or the table would
 * not be the client's. No more streams are open than were offered. What came on a stream is
 * credited to the connection when the stream ends, at the latest. Every frame that leads nowhere
 * costs a token. Behind onClose nothing is read and nothing is told.
 */
import { assert } from '../../base/assert.js';
import { type FieldBlock, NO_FIELDS } from '../../base/field-block.js';
import { type HeadLimits, HpackDecoder } from '../hpack/hpack-decoder.js';
import type { RequestOrigin } from '../http1/request-head.js';
import type { RequestRules } from '../http1/request-rules.js';
import { ClientPreface } from './client-preface.js';
import { CLOSED_BY_US, CLOSED_ENDED, CLOSED_UNKNOWN } from './closed-streams.js';
import {
  COMPRESSION_ERROR,
  ENHANCE_YOUR_CALM,
  FLOW_CONTROL_ERROR,
  FRAME_BYTES_MAX,
  NO_ERROR,
  NUMBER_MAX,
  PROTOCOL_ERROR,
  REFUSED_STREAM,
  STREAM_CLOSED,
  TYPE_CONTINUATION,
  TYPE_HEADERS,
  TYPE_PRIORITY,
} from './frame-kinds.js';
import {
  type FrameEvent,
  FrameReader,
  READ_BAD,
  READ_BAD_STREAM,
  READ_DATA,
  READ_DATA_END,
  READ_DATA_HEAD,
  READ_GOAWAY,
  READ_HEADERS,
  READ_IDLE_FRAME,
  READ_MORE,
  READ_PING,
  READ_PING_ACK,
  READ_RESET,
  READ_SETTINGS,
  READ_SETTINGS_ACK,
  READ_WINDOW,
} from './frame-reader.js';
import { DRAIN_PING, ReplySide } from './reply-side.js';
import { RequestFields } from './request-fields.js';
import type { ServerHandler } from './server-handler.js';
import { offeredSettings, type ServerOptions, WINDOW_BYTES_DEFAULT } from './server-options.js';
import { ServerStream } from './server-stream.js';
import { TrailerFields } from './trailer-fields.js';

/** A WINDOW_UPDATE of less leads nowhere. */
const WINDOW_BYTES_MIN = 1024;
const TABLE_BYTES = 4096;

/** What a frame that only counts is called, by its type. */
const NAMES_OF_IDLE_FRAMES: Readonly<Record<number, string>> = {
  [TYPE_HEADERS]: 'header blocks in parts',
  [TYPE_CONTINUATION]: 'header blocks in parts',
  [TYPE_PRIORITY]: 'priorities',
};

export class ServerConnection extends ReplySide {
  /** The client has acknowledged our SETTINGS. */
  isAcknowledged = false;

  private readonly reader: FrameReader;
  private readonly decoder = new HpackDecoder(TABLE_BYTES);
  private readonly fields: RequestFields;
  private readonly trailers: TrailerFields;
  private limits: HeadLimits;
  private readonly preface = new ClientPreface();
  private hasSettings = false;
  /** Where the DATA frame that is being read goes; null: nowhere. */
  private dataStream: ServerStream | null = null;

  constructor(
    options: ServerOptions,
    handler: ServerHandler,
    { rules, origin, nowMs }: { rules: RequestRules; origin: RequestOrigin; nowMs: number },
  ) {
    super(options, handler, nowMs);
    assert(options.streamWindowBytes >= WINDOW_BYTES_DEFAULT, 'a window of the default or more');
    assert(options.windowBytes >= options.streamWindowBytes, 'a window for a stream at least');
    this.limits = limitsOf(rules);
    this.reader = new FrameReader(blockBytesOf(rules));
    this.fields = new RequestFields(rules, origin, options.mayConnect);
    this.trailers = new TrailerFields(rules.underscores === 'forward');
    this.writer.settings(offeredSettings(options, rules));
    const more = options.windowBytes - WINDOW_BYTES_DEFAULT;
    if (more > 0) this.writer.window(0, more);
  }

  /** Requests that begin from now on go by these rules. */
  adopt(rules: RequestRules): void {
    if (rules === this.fields.rules) return;
    this.limits = limitsOf(rules);
    this.reader.blockBytesMax = blockBytesOf(rules);
    this.fields.rules = rules;
    this.trailers.keepsUnderscores = rules.underscores === 'forward';
  }

  /** Frames that lead nowhere, resets and refused streams; for counters. */
  get idleFrames(): number {
    return this.budget.spent;
  }

  /** The client has sent its preface and its first SETTINGS. */
  get isBegun(): boolean {
    return this.hasSettings;
  }

  /** The client is in the middle of a frame without data, or of a header block. */
  get isInHead(): boolean {
    return this.reader.isInHead;
  }

  // Hot path (bench/gateway/plain-get): every read of a client's socket.
  receive(bytes: Buffer, nowMs: number): void {
    this.nowMs = nowMs;
    let at = this.preface.isComplete ? 0 : this.preface.take(bytes);
    if (at === -1) this.fail(PROTOCOL_ERROR, 'no preface of HTTP/2');
    while (!this.isClosed) {
      const event = this.reader.step(bytes, at, bytes.length);
      at = this.reader.at;
      if (event === READ_MORE) return;
      this.onFrame(event, bytes);
    }
  }

  private onFrame(event: Exclude<FrameEvent, typeof READ_MORE>, bytes: Buffer): void {
    const { reader } = this;
    if (!this.hasSettings && event !== READ_SETTINGS && event !== READ_BAD) {
      this.fail(PROTOCOL_ERROR, 'a first frame other than SETTINGS');
      return;
    }
    switch (event) {
      case READ_DATA_HEAD:
        this.onDataHead();
        return;
      case READ_DATA:
        if (this.dataStream?.isOver !== false) return;
        this.handler.onData(this.dataStream, bytes.subarray(reader.dataStart, reader.dataEnd));
        return;
      case READ_DATA_END:
        this.onDataEnd();
        return;
      case READ_HEADERS:
        this.onHeaders();
        return;
      case READ_SETTINGS:
        this.onSettings();
        return;
      case READ_SETTINGS_ACK:
        this.isAcknowledged = true;
        this.spend('acknowledgements');
        return;
      case READ_PING:
        this.spend('pings');
        if (!this.isClosed) this.writer.ping(reader.payload, true);
        return;
      case READ_PING_ACK:
        if (reader.payload.equals(DRAIN_PING)) this.endDrain();
        this.spend('acknowledgements');
        return;
      case READ_GOAWAY:
        this.onGoAway();
        return;
      case READ_RESET:
        this.onReset();
        return;
      case READ_WINDOW:
        this.onWindowUpdate();
        return;
      case READ_IDLE_FRAME:
        this.spend(NAMES_OF_IDLE_FRAMES[reader.type] ?? 'unknown frames');
        return;
      case READ_BAD_STREAM:
        this.onBadStream();
        return;
      case READ_BAD:
        this.fail(reader.code, reader.reason);
        return;
    }
  }

  /** One more frame that leads nowhere. `what`: how a flood of them is called. */
  private spend(what: string): void {
    if (this.budget.trySpend(this.nowMs)) return;
    this.fail(ENHANCE_YOUR_CALM, `a flood of ${what}`);
  }

  private onDataHead(): void {
    const { stream: id, dataBytes, padBytes, endsStream } = this.reader;
    const bytes = dataBytes + padBytes;
    this.dataStream = null;
    this.receiveWindow -= bytes;
    if (this.receiveWindow < 0) {
      this.fail(FLOW_CONTROL_ERROR, 'more than the window allows');
      return;
    }
    if (dataBytes === 0 && !endsStream) this.spend('empty frames');
    if (this.isClosed) return;
    const stream = this.streams.get(id);
    this.creditConnection(stream === undefined ? bytes : padBytes);
    if (stream === undefined) {
      this.onDataOfClosed(id);
      return;
    }
    stream.receiveWindow -= bytes;
    stream.uncredited += dataBytes;
    stream.untold += padBytes;
    if (stream.isRemoteClosed) {
      this.breakStream(stream, STREAM_CLOSED, 'DATA behind the end');
      return;
    }
    if (stream.receiveWindow < 0) {
      this.breakStream(stream, FLOW_CONTROL_ERROR, 'more than the window allows');
      return;
    }
    if (stream.lengthLeft !== -1) {
      if (dataBytes > stream.lengthLeft) {
        this.breakStream(stream, PROTOCOL_ERROR, 'more than the Content-Length');
        return;
      }
      stream.lengthLeft -= dataBytes;
    }
    this.dataStream = stream;
  }

  private onDataOfClosed(id: number): void {
    if (id > this.lastStream || id % 2 === 0) {
      this.fail(PROTOCOL_ERROR, 'DATA on a stream that is idle');
      return;
    }
    this.onFrameOfClosed(id);
  }

  /** A frame that a client may not send on a closed stream, unless it did not know of that yet. */
  private onFrameOfClosed(id: number): void {
    const kind = this.closed.kindOf(id);
    if (kind === CLOSED_ENDED) {
      this.fail(STREAM_CLOSED, 'a frame on a closed stream');
      return;
    }
    this.spend('frames on closed streams');
  }

  private onDataEnd(): void {
    const stream = this.dataStream;
    this.dataStream = null;
    if (stream === null || stream.isOver) return;
    this.tellWindow(stream);
    if (this.reader.endsStream) this.endRemote(stream, NO_FIELDS);
  }

  private endRemote(stream: ServerStream, trailers: FieldBlock): void {
    if (stream.lengthLeft > 0) {
      this.breakStream(stream, PROTOCOL_ERROR, 'less than the Content-Length');
      return;
    }
    stream.isRemoteClosed = true;
    this.handler.onEnd(stream, trailers);
    this.closeIfEnded(stream);
  }

  private onHeaders(): void {
    const { stream: id, payload, endsStream } = this.reader;
    const stream = this.streams.get(id);
    const isNew = stream === undefined && id > this.lastStream;
    const sink = isNew ? this.fields : this.trailers;
    sink.begin();
    if (!this.decoder.decode(payload, sink, this.limits)) {
      this.fail(COMPRESSION_ERROR, this.decoder.reason);
      return;
    }
    if (isNew) {
      this.onNewStream(id, endsStream);
      return;
    }
    if (stream === undefined) {
      this.onHeadersOfClosed(id);
      return;
    }
    this.onTrailers(stream, endsStream);
  }

  private onHeadersOfClosed(id: number): void {
    if (this.closed.kindOf(id) === CLOSED_UNKNOWN) {
      this.fail(PROTOCOL_ERROR, 'a stream smaller than one before');
      return;
    }
    this.onFrameOfClosed(id);
  }

  private onTrailers(stream: ServerStream, endsStream: boolean): void {
    const { trailers, decoder, reader } = this;
    if (stream.isRemoteClosed) {
      this.breakStream(stream, STREAM_CLOSED, 'HEADERS behind the end');
      return;
    }
    if (!endsStream) {
      this.breakStream(stream, PROTOCOL_ERROR, 'HEADERS within a body');
      return;
    }
    const reason = reader.isSelfDependent ? 'a stream that depends on itself' : trailers.mistake;
    if (reason !== '') {
      this.breakStream(stream, PROTOCOL_ERROR, reason);
      return;
    }
    if (decoder.isOversize) {
      this.breakStream(stream, ENHANCE_YOUR_CALM, 'trailers too large');
      return;
    }
    this.endRemote(stream, trailers.fields);
  }

  private onNewStream(id: number, endsStream: boolean): void {
    if (id % 2 === 0) {
      this.fail(PROTOCOL_ERROR, 'a stream with an even number');
      return;
    }
    // Behind the last GOAWAY it is not looked at: the client sends it again elsewhere.
    this.lastStream = id;
    if (id > this.lastAllowed) {
      this.closed.add(id, CLOSED_BY_US);
      this.spend('refused streams');
      return;
    }
    if (this.reader.isSelfDependent) {
      this.refuse(id, PROTOCOL_ERROR, 'a stream that depends on itself');
      return;
    }
    if (this.streams.size >= this.options.streamsMax) {
      this.refuse(id, REFUSED_STREAM, 'more streams than were offered');
      return;
    }
    const { decoder } = this;
    const head = this.fields.finish(decoder.text, decoder.isOversize, endsStream);
    if (head === null) {
      this.refuse(id, PROTOCOL_ERROR, this.fields.mistake);
      return;
    }
    const { streamWindowBytes } = this.options;
    const stream = new ServerStream(id, this.peer.initialWindow, streamWindowBytes);
    stream.isRemoteClosed = endsStream;
    stream.lengthLeft = endsStream ? -1 : head.bodyBytes;
    this.streams.set(id, stream);
    this.handler.onHead(stream, head);
  }

  /** Resets a stream that nobody has heard of. */
  private refuse(id: number, code: number, reason: string): void {
    this.spend('refused streams');
    if (this.isClosed) return;
    this.closed.add(id, CLOSED_BY_US);
    this.writer.reset(id, code);
    this.handler.onMistake(reason);
  }

  private onSettings(): void {
    const { payload } = this.reader;
    const { peer } = this;
    const before = peer.initialWindow;
    if (this.hasSettings) this.spend('settings');
    this.hasSettings = true;
    const code = peer.take(payload);
    if (code !== NO_ERROR) {
      this.fail(code, 'a setting with a value that it must not have');
      return;
    }
    if (this.isClosed) return;
    this.encoder.resize(peer.tableBytes);
    this.writer.settingsAck();
    if (peer.initialWindow !== before && !this.moveWindows(peer.initialWindow - before)) {
      this.fail(FLOW_CONTROL_ERROR, 'a setting that makes a window too large');
    }
  }

  private onGoAway(): void {
    const { code } = this.reader;
    if (code !== NO_ERROR) {
      this.close(code, 'the client has sent GOAWAY');
      return;
    }
    // The client opens no stream any more; what is open goes on.
    this.lastAllowed = Math.min(this.lastAllowed, this.lastStream);
    this.spend('farewells');
  }

  private onReset(): void {
    const { stream: id, code } = this.reader;
    const stream = this.streams.get(id);
    if (stream === undefined && (id > this.lastStream || id % 2 === 0)) {
      this.fail(PROTOCOL_ERROR, 'RST_STREAM on a stream that is idle');
      return;
    }
    this.spend('resets');
    if (stream === undefined || this.isClosed) return;
    this.forget(stream, CLOSED_ENDED);
    this.handler.onReset(stream, code, 'the client has reset it');
  }

  private onWindowUpdate(): void {
    const { stream: id, value } = this.reader;
    if (value < WINDOW_BYTES_MIN) this.spend('small windows');
    if (this.isClosed) return;
    if (id === 0) {
      this.sendWindow += value;
      if (this.sendWindow > NUMBER_MAX) {
        this.fail(FLOW_CONTROL_ERROR, 'a window too large');
        return;
      }
      this.wakeAll();
      return;
    }
    const stream = this.streams.get(id);
    if (stream === undefined) {
      this.onIdleStream(id, 'WINDOW_UPDATE');
      return;
    }
    stream.sendWindow += value;
    if (stream.sendWindow > NUMBER_MAX) {
      this.breakStream(stream, FLOW_CONTROL_ERROR, 'a window too large');
      return;
    }
    this.wake(stream);
  }

  /** A frame that may come late on a closed stream. */
  private onIdleStream(id: number, what: string): void {
    if (id > this.lastStream || id % 2 === 0) {
      this.fail(PROTOCOL_ERROR, `${what} on a stream that is idle`);
      return;
    }
    this.spend('frames on closed streams');
  }

  private onBadStream(): void {
    const { stream: id, code, reason } = this.reader;
    const stream = this.streams.get(id);
    if (stream !== undefined) {
      this.breakStream(stream, code, reason);
      return;
    }
    this.spend('malformed frames');
    // RFC 9113 5.1: a reset of an idle stream would itself be a mistake.
    if (id > this.lastStream) {
      this.fail(code, reason);
      return;
    }
    if (!this.isClosed) this.writer.reset(id, code);
  }

  /** Resets a stream for a mistake of the client. */
  private breakStream(stream: ServerStream, code: number, reason: string): void {
    this.spend('streams that are broken');
    if (this.isClosed) return;
    this.writer.reset(stream.id, code);
    this.forget(stream, CLOSED_BY_US);
    this.handler.onReset(stream, code, reason);
    this.handler.onMistake(reason);
  }

  /** Ends the connection for a mistake of the client, or because of its owner. */
  fail(code: number, reason: string): void {
    if (this.isClosed) return;
    this.writer.goAway(Math.min(this.lastStream, this.lastAllowed), code);
    this.close(code, reason);
  }

  private close(code: number, reason: string): void {
    this.isClosed = true;
    for (const stream of [...this.streams.values()]) {
      this.forget(stream, CLOSED_ENDED);
      this.handler.onReset(stream, code, reason);
    }
    this.handler.onClose(code, reason);
  }
}

function limitsOf({ headerBytes, headerFields }: RequestRules): HeadLimits {
  return { bytesMax: headerBytes, fieldsMax: headerFields };
}

/** A block is never much larger than the fields in it, in the form that counts. */
function blockBytesOf({ headerBytes }: RequestRules): number {
  return 2 * headerBytes + FRAME_BYTES_MAX;
}
