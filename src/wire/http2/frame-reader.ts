/**
 * Reads the frames of one connection out of the bytes that it brings.
 *
 * Thread: any (pure). RFC 9113 4 and 6. The owner asks step by step. What a frame says by itself is
 * checked here: its size, its stream, its padding, the order of a header block's frames. What it
 * means for its stream is not.
 *
 *     DATA     ──► READ_DATA_HEAD, READ_DATA*, READ_DATA_END     pieces are places in the bytes
 *     HEADERS  ──► READ_HEADERS when the whole block is there, with its CONTINUATIONs
 *     others   ──► one event each
 *
 * Invariants: however the input is cut into pieces, events and verdict are the same. Nothing but a
 * frame that is not DATA is ever kept, one at a time, and a header block up to `blockBytesMax`.
 * Behind READ_BAD nothing is read.
 */
import { assertNever } from '../../base/assert.js';
import { copyBytes } from '../../base/copy-bytes.js';
import {
  ENHANCE_YOUR_CALM,
  FLAG_ACK,
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FLAG_PADDED,
  FLAG_PRIORITY,
  FRAME_BYTES_MAX,
  FRAME_HEAD_BYTES,
  FRAME_SIZE_ERROR,
  PROTOCOL_ERROR,
  TYPE_CONTINUATION,
  TYPE_DATA,
  TYPE_GOAWAY,
  TYPE_HEADERS,
  TYPE_PING,
  TYPE_PRIORITY,
  TYPE_PUSH_PROMISE,
  TYPE_RST_STREAM,
  TYPE_SETTINGS,
  TYPE_WINDOW_UPDATE,
} from './frame-kinds.js';

/** All bytes of the step are used up, and more must come. */
export const READ_MORE = 0;
/** A DATA frame begins: `dataBytes` of it are data, `padBytes` count beside them. */
export const READ_DATA_HEAD = 1;
/** `dataStart` to `dataEnd` is the next part of it. */
export const READ_DATA = 2;
/** It has ended. `endsStream`: so has the body. */
export const READ_DATA_END = 3;
/** `payload` is a whole header block; `endsStream`. */
export const READ_HEADERS = 4;
/** `payload`: parameters of six bytes each. */
export const READ_SETTINGS = 5;
export const READ_SETTINGS_ACK = 6;
/** `payload`: eight bytes to be sent back. */
export const READ_PING = 7;
export const READ_PING_ACK = 8;
/** `value`: the last stream; `code`. */
export const READ_GOAWAY = 9;
/** `code` */
export const READ_RESET = 10;
/** `value`: how many bytes more. */
export const READ_WINDOW = 11;
/** PRIORITY, a part of a header block, or a type that is not known: it only counts. */
export const READ_IDLE_FRAME = 12;
/** An error of the stream: `code`, `reason`. The connection goes on. */
export const READ_BAD_STREAM = 13;
/** An error of the connection: `code`, `reason`. */
export const READ_BAD = 14;
export type FrameEvent =
  | typeof READ_MORE
  | typeof READ_DATA_HEAD
  | typeof READ_DATA
  | typeof READ_DATA_END
  | typeof READ_HEADERS
  | typeof READ_SETTINGS
  | typeof READ_SETTINGS_ACK
  | typeof READ_PING
  | typeof READ_PING_ACK
  | typeof READ_GOAWAY
  | typeof READ_RESET
  | typeof READ_WINDOW
  | typeof READ_IDLE_FRAME
  | typeof READ_BAD_STREAM
  | typeof READ_BAD;

const HEAD = 0;
const PAYLOAD = 1;
const PAD_LENGTH = 2;
const DATA = 3;
const PADDING = 4;
const BAD = 5;
type ReaderState =
  | typeof HEAD
  | typeof PAYLOAD
  | typeof PAD_LENGTH
  | typeof DATA
  | typeof PADDING
  | typeof BAD;

const NOTHING: Buffer = Buffer.alloc(0);
const PRIORITY_BYTES = 5;

export class FrameReader {
  /** Where the next step begins. */
  at = 0;
  stream = 0;
  endsStream = false;
  payload: Buffer = NOTHING;
  value = 0;
  code = 0;
  reason = '';
  dataBytes = 0;
  padBytes = 0;
  dataStart = 0;
  dataEnd = 0;

  /** Of the frame that was read last. */
  type = 0;

  private state: ReaderState = HEAD;
  private length = 0;
  private flags = 0;
  private left = 0;
  /** What has come of a head or a payload that is not complete, from 0 to `keptBytes`. */
  private kept: Buffer = Buffer.allocUnsafe(64);
  private keptBytes = 0;
  /** The stream whose header block is not complete; 0: none. */
  private blockStream = 0;
  private block: Buffer = NOTHING;
  private blockBytes = 0;
  private blockEndsStream = false;
  /** A HEADERS frame that depends on itself: an error of the stream, behind its block. */
  private blockIsBad = false;

  /** `blockBytesMax`: a header block with more bytes ends the connection. */
  constructor(public blockBytesMax: number) {}

  /** Of READ_DATA: no more of its frame follows, nor padding. */
  get endsFrame(): boolean {
    return this.left === 0 && this.padBytes <= 1;
  }

  /** A header block, or a frame other than DATA, has begun and not ended. */
  get isInHead(): boolean {
    if (this.blockStream !== 0 || this.state === PAYLOAD) return true;
    return this.state === HEAD && this.keptBytes > 0;
  }

  // Hot path (bench/gateway/plain-get): every frame.
  /** Reads `bytes` from `start` until there is something to tell, at most to `end`. */
  step(bytes: Buffer, start: number, end: number): FrameEvent {
    this.at = start;
    for (;;) {
      const event = this.advance(bytes, end);
      if (event !== null) return event;
    }
  }

  private advance(bytes: Buffer, end: number): FrameEvent | null {
    switch (this.state) {
      case HEAD:
        return this.takeHead(bytes, end);
      case PAYLOAD:
        return this.takePayload(bytes, end);
      case PAD_LENGTH:
        return this.takePadLength(bytes, end);
      case DATA:
        return this.takeData(end);
      case PADDING:
        return this.takePadding(end);
      case BAD:
        this.at = end;
        return READ_BAD;
      default:
        return assertNever(this.state);
    }
  }

  private takeHead(bytes: Buffer, end: number): FrameEvent | null {
    const head = this.gather(bytes, end, FRAME_HEAD_BYTES);
    if (head === null) return READ_MORE;
    this.length = head.readUIntBE(0, 3);
    this.type = head[3] ?? 0;
    this.flags = head[4] ?? 0;
    this.stream = head.readUInt32BE(5) & 0x7fff_ffff;
    if (this.blockStream !== 0 && !this.continuesBlock()) {
      return this.fail(PROTOCOL_ERROR, 'a frame in the middle of a header block');
    }
    if (this.length > FRAME_BYTES_MAX) return this.fail(FRAME_SIZE_ERROR, 'a frame too large');
    if (this.type !== TYPE_DATA) {
      this.state = PAYLOAD;
      return null;
    }
    return this.beginData();
  }

  private continuesBlock(): boolean {
    return this.type === TYPE_CONTINUATION && this.stream === this.blockStream;
  }

  private beginData(): FrameEvent | null {
    if (this.stream === 0) return this.fail(PROTOCOL_ERROR, 'DATA without a stream');
    this.endsStream = (this.flags & FLAG_END_STREAM) !== 0;
    if ((this.flags & FLAG_PADDED) === 0) return this.announceData(this.length, 0);
    if (this.length === 0) return this.fail(FRAME_SIZE_ERROR, 'a padded frame without bytes');
    this.state = PAD_LENGTH;
    return null;
  }

  private takePadLength(bytes: Buffer, end: number): FrameEvent {
    if (this.at === end) return READ_MORE;
    const pad = bytes[this.at++] ?? 0;
    if (pad >= this.length) return this.fail(PROTOCOL_ERROR, 'more padding than payload');
    return this.announceData(this.length - 1 - pad, pad + 1);
  }

  private announceData(dataBytes: number, padBytes: number): FrameEvent {
    this.dataBytes = dataBytes;
    this.padBytes = padBytes;
    this.left = dataBytes;
    this.state = DATA;
    return READ_DATA_HEAD;
  }

  private takeData(end: number): FrameEvent | null {
    if (this.left === 0) {
      this.left = Math.max(0, this.padBytes - 1);
      this.state = PADDING;
      return null;
    }
    const bytes = Math.min(this.left, end - this.at);
    if (bytes === 0) return READ_MORE;
    this.dataStart = this.at;
    this.at += bytes;
    this.dataEnd = this.at;
    this.left -= bytes;
    return READ_DATA;
  }

  private takePadding(end: number): FrameEvent {
    const bytes = Math.min(this.left, end - this.at);
    this.at += bytes;
    this.left -= bytes;
    if (this.left > 0) return READ_MORE;
    this.state = HEAD;
    return READ_DATA_END;
  }

  private takePayload(bytes: Buffer, end: number): FrameEvent {
    const payload = this.gather(bytes, end, this.length);
    if (payload === null) return READ_MORE;
    this.state = HEAD;
    this.payload = payload;
    switch (this.type) {
      case TYPE_HEADERS:
        return this.onHeaders(payload);
      case TYPE_CONTINUATION:
        return this.onContinuation(payload);
      case TYPE_PRIORITY:
        return this.onPriority(payload);
      case TYPE_RST_STREAM:
        return this.onReset(payload);
      case TYPE_SETTINGS:
        return this.onSettings(payload);
      case TYPE_PING:
        return this.onPing(payload);
      case TYPE_GOAWAY:
        return this.onGoAway(payload);
      case TYPE_WINDOW_UPDATE:
        return this.onWindowUpdate(payload);
      case TYPE_PUSH_PROMISE:
        return this.fail(PROTOCOL_ERROR, 'a PUSH_PROMISE, which nobody has allowed');
      default:
        // RFC 9113 5.5: extensions are ignored.
        return READ_IDLE_FRAME;
    }
  }

  private onHeaders(payload: Buffer): FrameEvent {
    if (this.stream === 0) return this.fail(PROTOCOL_ERROR, 'HEADERS without a stream');
    const { flags } = this;
    const isPadded = (flags & FLAG_PADDED) !== 0;
    const hasPriority = (flags & FLAG_PRIORITY) !== 0;
    const fixed = (isPadded ? 1 : 0) + (hasPriority ? PRIORITY_BYTES : 0);
    if (payload.length < fixed) return this.fail(FRAME_SIZE_ERROR, 'HEADERS too small');
    const end = payload.length - (isPadded ? (payload[0] ?? 0) : 0);
    if (end < fixed) return this.fail(PROTOCOL_ERROR, 'more padding than payload');
    this.blockIsBad = hasPriority && this.dependsOnItself(payload, isPadded ? 1 : 0);
    this.blockEndsStream = (flags & FLAG_END_STREAM) !== 0;
    return this.takeFragment(payload.subarray(fixed, end));
  }

  private dependsOnItself(payload: Buffer, at: number): boolean {
    return (payload.readUInt32BE(at) & 0x7fff_ffff) === this.stream;
  }

  private onContinuation(payload: Buffer): FrameEvent {
    if (this.blockStream === 0) return this.fail(PROTOCOL_ERROR, 'a CONTINUATION of nothing');
    return this.takeFragment(payload);
  }

  private takeFragment(fragment: Buffer): FrameEvent {
    const total = this.blockBytes + fragment.length;
    if (total > this.blockBytesMax) return this.fail(ENHANCE_YOUR_CALM, 'a header block too large');
    const isLast = (this.flags & FLAG_END_HEADERS) !== 0;
    if (this.blockStream === 0 && isLast) return this.endBlock(fragment);
    if (total > this.block.length) this.growBlock(total);
    copyBytes(fragment, this.block, this.blockBytes);
    this.blockBytes = total;
    this.blockStream = this.stream;
    return isLast ? this.endBlock(this.block.subarray(0, total)) : READ_IDLE_FRAME;
  }

  private growBlock(bytes: number): void {
    const larger = Buffer.allocUnsafe(Math.min(this.blockBytesMax, 2 * bytes));
    this.block.copy(larger, 0, 0, this.blockBytes);
    this.block = larger;
  }

  private endBlock(block: Buffer): FrameEvent {
    this.payload = block;
    this.endsStream = this.blockEndsStream;
    this.blockStream = 0;
    this.blockBytes = 0;
    this.block = NOTHING;
    // The block must be decoded nevertheless: `isSelfDependent` says what is wrong with it.
    return READ_HEADERS;
  }

  /** Of READ_HEADERS: the stream depends on itself, which is an error of the stream. */
  get isSelfDependent(): boolean {
    return this.blockIsBad;
  }

  private onPriority(payload: Buffer): FrameEvent {
    if (this.stream === 0) return this.fail(PROTOCOL_ERROR, 'PRIORITY without a stream');
    if (payload.length !== PRIORITY_BYTES) {
      return this.failStream(FRAME_SIZE_ERROR, 'a PRIORITY of another size');
    }
    if (!this.dependsOnItself(payload, 0)) return READ_IDLE_FRAME;
    return this.failStream(PROTOCOL_ERROR, 'a stream that depends on itself');
  }

  private onReset(payload: Buffer): FrameEvent {
    if (this.stream === 0) return this.fail(PROTOCOL_ERROR, 'RST_STREAM without a stream');
    if (payload.length !== 4) return this.fail(FRAME_SIZE_ERROR, 'RST_STREAM of another size');
    this.code = payload.readUInt32BE(0);
    return READ_RESET;
  }

  private onSettings(payload: Buffer): FrameEvent {
    if (this.stream !== 0) return this.fail(PROTOCOL_ERROR, 'SETTINGS with a stream');
    const isAck = (this.flags & FLAG_ACK) !== 0;
    if (isAck ? payload.length !== 0 : payload.length % 6 !== 0) {
      return this.fail(FRAME_SIZE_ERROR, 'SETTINGS of another size');
    }
    return isAck ? READ_SETTINGS_ACK : READ_SETTINGS;
  }

  private onPing(payload: Buffer): FrameEvent {
    if (this.stream !== 0) return this.fail(PROTOCOL_ERROR, 'PING with a stream');
    if (payload.length !== 8) return this.fail(FRAME_SIZE_ERROR, 'PING of another size');
    return (this.flags & FLAG_ACK) === 0 ? READ_PING : READ_PING_ACK;
  }

  private onGoAway(payload: Buffer): FrameEvent {
    if (this.stream !== 0) return this.fail(PROTOCOL_ERROR, 'GOAWAY with a stream');
    if (payload.length < 8) return this.fail(FRAME_SIZE_ERROR, 'GOAWAY too small');
    this.value = payload.readUInt32BE(0) & 0x7fff_ffff;
    this.code = payload.readUInt32BE(4);
    return READ_GOAWAY;
  }

  private onWindowUpdate(payload: Buffer): FrameEvent {
    if (payload.length !== 4) return this.fail(FRAME_SIZE_ERROR, 'WINDOW_UPDATE of another size');
    this.value = payload.readUInt32BE(0) & 0x7fff_ffff;
    if (this.value > 0) return READ_WINDOW;
    const reason = 'a WINDOW_UPDATE of nothing';
    return this.stream === 0
      ? this.fail(PROTOCOL_ERROR, reason)
      : this.failStream(PROTOCOL_ERROR, reason);
  }

  /** `bytes` of them, as a view where all of them are there; null: more must come. */
  private gather(bytes: Buffer, end: number, wanted: number): Buffer | null {
    const there = end - this.at;
    if (this.keptBytes === 0 && there >= wanted) {
      this.at += wanted;
      return bytes.subarray(this.at - wanted, this.at);
    }
    const taken = Math.min(there, wanted - this.keptBytes);
    if (this.kept.length < this.keptBytes + taken) this.growKept(wanted);
    bytes.copy(this.kept, this.keptBytes, this.at, this.at + taken);
    this.at += taken;
    this.keptBytes += taken;
    if (this.keptBytes < wanted) return null;
    this.keptBytes = 0;
    return this.kept.subarray(0, wanted);
  }

  /** Not before the bytes come: a head alone makes nothing larger. */
  private growKept(wanted: number): void {
    const larger = Buffer.allocUnsafe(wanted);
    this.kept.copy(larger, 0, 0, this.keptBytes);
    this.kept = larger;
  }

  private failStream(code: number, reason: string): FrameEvent {
    this.code = code;
    this.reason = reason;
    return READ_BAD_STREAM;
  }

  private fail(code: number, reason: string): FrameEvent {
    this.code = code;
    this.reason = reason;
    this.state = BAD;
    return READ_BAD;
  }
}
