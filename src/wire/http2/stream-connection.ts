/**
 * Reads what means the same on a connection of a client and on one to a target.
 *
 * Thread: any (pure). RFC 9113. server-connection.ts and client-connection.ts extend this, and say
 * what header blocks, the last GOAWAY and a mistake mean on their side.
 *
 *     read(bytes) ──► frames ──► windows, settings, PING; onData, onEnd, onReset, onWindow, onClose
 *                         └────► onHeaders, onGoAway, onPingAck of the side
 *
 * Invariants: every header block is decoded, also of streams that are refused, or the table would
 * not be the other side's. Every frame that leads nowhere costs a token. Behind onClose nothing is
 * read and nothing is told.
 */
import { type FieldBlock, NO_FIELDS } from '../../base/field-block.js';
import { type FieldSink, type HeadLimits, HpackDecoder } from '../hpack/hpack-decoder.js';
import { CLOSED_BY_US, CLOSED_ENDED } from './closed-streams.js';
import {
  COMPRESSION_ERROR,
  ENHANCE_YOUR_CALM,
  FLOW_CONTROL_ERROR,
  FRAME_BYTES_MAX,
  NO_ERROR,
  NUMBER_MAX,
  PROTOCOL_ERROR,
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
import type { Http2Stream } from './http2-stream.js';
import { SendingSide, type WindowOptions } from './sending-side.js';
import type { StreamHandler } from './stream-handler.js';
import { TrailerFields } from './trailer-fields.js';

/** A WINDOW_UPDATE of less leads nowhere. */
const WINDOW_BYTES_MIN = 1024;
/** The table of the other side's fields. */
const TABLE_BYTES = 4096;

/**
 * The other side must have acknowledged our SETTINGS by then, in ms (RFC 9113 6.5.3): the
 * acknowledgement may wait behind 64 KiB of bodies, and does not behind more.
 */
export const SETTINGS_ACK_MS = 10_000;

/** What a frame that only counts is called, by its type. */
const NAMES_OF_IDLE_FRAMES: Readonly<Record<number, string>> = {
  [TYPE_HEADERS]: 'header blocks in parts',
  [TYPE_CONTINUATION]: 'header blocks in parts',
  [TYPE_PRIORITY]: 'priorities',
};

/** What one side of a connection is made with. */
export interface SideOptions {
  /** The largest table that this side writes fields with. */
  readonly tableBytes: number;
  readonly limits: HeadLimits;
  /** Trailers with an underscore in their name go on. */
  readonly keepsUnderscores: boolean;
  readonly nowMs: number;
}

export abstract class StreamConnection<S extends Http2Stream> extends SendingSide<S> {
  /** The other side has acknowledged our SETTINGS. */
  isAcknowledged = false;

  protected readonly reader: FrameReader;
  protected readonly decoder = new HpackDecoder(TABLE_BYTES);
  protected readonly trailers: TrailerFields;
  protected hasSettings = false;
  private limits: HeadLimits;
  /** Where the DATA frame that is being read goes; null: nowhere. */
  private dataStream: S | null = null;

  constructor(windows: WindowOptions, listener: StreamHandler<S>, options: SideOptions) {
    super(windows, listener, options);
    this.limits = options.limits;
    this.reader = new FrameReader(blockBytesOf(options.limits));
    this.trailers = new TrailerFields(options.keepsUnderscores);
  }

  /** Heads that begin from now on go by these limits. */
  protected limitHeads(limits: HeadLimits, keepsUnderscores: boolean): void {
    this.limits = limits;
    this.reader.blockBytesMax = blockBytesOf(limits);
    this.trailers.keepsUnderscores = keepsUnderscores;
  }

  /** Frames that lead nowhere, resets and refused streams; for counters. */
  get idleFrames(): number {
    return this.budget.spent;
  }

  /** The other side has sent its first SETTINGS. */
  get isBegun(): boolean {
    return this.hasSettings;
  }

  /** The other side is in the middle of a frame without data, or of a header block. */
  get isInHead(): boolean {
    return this.reader.isInHead;
  }

  /** The stream was never opened. */
  protected abstract isIdle(id: number): boolean;
  /** A whole header block: `reader` says of which stream, and decode() reads it. */
  protected abstract onHeaders(): void;
  protected abstract onGoAway(): void;
  protected abstract onPingAck(payload: Buffer): void;
  /** The other side has reset a stream that is open. */
  protected abstract onPeerReset(stream: S, code: number): void;
  /** New settings are in force. */
  protected abstract onPeerSettings(): void;
  /** The last stream of the other side, as a GOAWAY names it. */
  protected abstract get lastPeerStream(): number;

  // Hot path (bench/gateway/plain-get): every read of a socket.
  protected readFrames(bytes: Buffer, start: number, nowMs: number): void {
    this.nowMs = nowMs;
    let at = start;
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
        this.onData(bytes);
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
        this.onPingAck(reader.payload);
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
  protected spend(what: string): void {
    if (this.budget.trySpend(this.nowMs)) return;
    this.fail(ENHANCE_YOUR_CALM, `a flood of ${what}`);
  }

  /** Reads the block of READ_HEADERS. False: the connection is over. */
  protected decode(sink: FieldSink): boolean {
    if (this.decoder.decode(this.reader.payload, sink, this.limits)) return true;
    this.fail(COMPRESSION_ERROR, this.decoder.reason);
    return false;
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
      this.onDataOfClosed(id, bytes);
      return;
    }
    stream.receiveWindow -= bytes;
    stream.uncredited += dataBytes;
    stream.untold += padBytes;
    const mistake = this.dataMistakeOf(stream, dataBytes);
    if (mistake !== '') {
      this.breakStream(stream, PROTOCOL_ERROR, mistake);
      return;
    }
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

  /** Why this side takes no DATA on the stream; '': it does. */
  protected dataMistakeOf(_stream: S, _dataBytes: number): string {
    return '';
  }

  private onData(bytes: Buffer): void {
    const { dataStream: stream, reader } = this;
    if (stream?.isOver !== false) return;
    const isLast = reader.endsFrame && reader.endsStream && stream.lengthLeft <= 0;
    this.listener.onData(stream, bytes.subarray(reader.dataStart, reader.dataEnd), isLast);
  }

  private onDataOfClosed(id: number, bytes: number): void {
    if (this.isIdle(id)) {
      this.fail(PROTOCOL_ERROR, 'DATA on a stream that is idle');
      return;
    }
    // A body in small frames that was on its way when we reset its stream is no flood.
    if (!this.closed.takeInFlight(id, bytes)) this.onFrameOfClosed(id);
  }

  /** A frame that may not come on a closed stream, unless the other side did not know of that. */
  protected onFrameOfClosed(id: number): void {
    if (this.closed.kindOf(id) === CLOSED_ENDED) {
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

  protected endRemote(stream: S, trailers: FieldBlock): void {
    if (stream.lengthLeft > 0) {
      this.breakStream(stream, PROTOCOL_ERROR, 'less than the Content-Length');
      return;
    }
    stream.isRemoteClosed = true;
    this.listener.onEnd(stream, trailers);
    this.closeIfEnded(stream);
  }

  /** Takes the trailers that were decoded. */
  protected onTrailers(stream: S): void {
    const { trailers, decoder, reader } = this;
    if (stream.isRemoteClosed) {
      this.breakStream(stream, STREAM_CLOSED, 'HEADERS behind the end');
      return;
    }
    if (!reader.endsStream) {
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
      return;
    }
    this.onPeerSettings();
  }

  private onReset(): void {
    const { stream: id, code } = this.reader;
    const stream = this.streams.get(id);
    if (stream === undefined && this.isIdle(id)) {
      this.fail(PROTOCOL_ERROR, 'RST_STREAM on a stream that is idle');
      return;
    }
    this.spend('resets');
    if (stream === undefined || this.isClosed) return;
    this.forget(stream, CLOSED_ENDED);
    this.onPeerReset(stream, code);
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
      this.onLateWindowUpdate(id);
      return;
    }
    stream.sendWindow += value;
    if (stream.sendWindow > NUMBER_MAX) {
      this.breakStream(stream, FLOW_CONTROL_ERROR, 'a window too large');
      return;
    }
    this.wake(stream);
  }

  /** It may come late on a closed stream. */
  private onLateWindowUpdate(id: number): void {
    if (this.isIdle(id)) {
      this.fail(PROTOCOL_ERROR, 'WINDOW_UPDATE on a stream that is idle');
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
    if (this.isIdle(id)) {
      this.fail(code, reason);
      return;
    }
    if (!this.isClosed) this.writer.reset(id, code);
  }

  /** Resets a stream for a mistake of the other side. */
  protected breakStream(stream: S, code: number, reason: string): void {
    this.spend('streams that are broken');
    if (this.isClosed) return;
    this.writer.reset(stream.id, code);
    this.forget(stream, CLOSED_BY_US);
    this.listener.onReset(stream, code, reason);
    this.listener.onMistake(reason);
  }

  /** Ends the connection for a mistake of the other side, or because of its owner. */
  fail(code: number, reason: string): void {
    if (this.isClosed) return;
    this.writer.goAway(this.lastPeerStream, code);
    this.close(code, reason);
  }

  protected close(code: number, reason: string): void {
    this.isClosed = true;
    for (const stream of [...this.streams.values()]) {
      this.forget(stream, CLOSED_ENDED);
      this.listener.onReset(stream, code, reason);
    }
    this.listener.onClose(code, reason);
  }
}

/** A block is never much larger than the fields in it, in the form that counts. */
function blockBytesOf({ bytesMax }: HeadLimits): number {
  return 2 * bytesMax + FRAME_BYTES_MAX;
}
