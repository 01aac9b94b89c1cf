/**
 * Writes the frames of one connection, those of one turn into one buffer.
 *
 * Thread: any (pure). RFC 9113 6. take() hands the buffer over, and the next frame begins another
 * one, because a socket may hold what it was given for any time.
 */
import { copyBytes } from '../../base/copy-bytes.js';
import {
  FLAG_ACK,
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FRAME_BYTES_MAX,
  FRAME_HEAD_BYTES,
  TYPE_CONTINUATION,
  TYPE_DATA,
  TYPE_GOAWAY,
  TYPE_HEADERS,
  TYPE_PING,
  TYPE_RST_STREAM,
  TYPE_SETTINGS,
  TYPE_WINDOW_UPDATE,
} from './frame-kinds.js';

const NOTHING: Buffer = Buffer.alloc(0);
const BUFFER_BYTES_MIN = 1024;
const EXPECTED_BYTES_MAX = 16 * 1024;
const SETTING_BYTES = 6;
const PING_BYTES = 8;

export class FrameWriter {
  /** Bytes that wait to be taken. */
  bytes = 0;
  private out: Buffer = NOTHING;
  /** As much as the last buffer held, within bounds: the next one is likely to hold as much. */
  private expected = BUFFER_BYTES_MIN;

  /** Everything since the last call; null: nothing. */
  take(): Buffer | null {
    if (this.bytes === 0) return null;
    const taken = this.out.subarray(0, this.bytes);
    this.expected = Math.min(this.bytes, EXPECTED_BYTES_MAX);
    this.out = NOTHING;
    this.bytes = 0;
    return taken;
  }

  /** Bytes that are no frame: the preface. */
  raw(bytes: Uint8Array): void {
    const end = this.bytes + bytes.length;
    if (end > this.out.length) this.grow(end);
    this.out.set(bytes, this.bytes);
    this.bytes = end;
  }

  settings(values: readonly (readonly [id: number, value: number])[]): void {
    let at = this.begin(TYPE_SETTINGS, 0, 0, values.length * SETTING_BYTES);
    for (const [id, value] of values) {
      this.out.writeUInt16BE(id, at);
      at = this.out.writeUInt32BE(value, at + 2);
    }
  }

  settingsAck(): void {
    this.begin(TYPE_SETTINGS, FLAG_ACK, 0, 0);
  }

  /** `payload`: eight bytes. */
  ping(payload: Uint8Array, isAck: boolean): void {
    const at = this.begin(TYPE_PING, isAck ? FLAG_ACK : 0, 0, PING_BYTES);
    this.out.set(payload, at);
  }

  goAway(lastStream: number, code: number): void {
    const at = this.begin(TYPE_GOAWAY, 0, 0, 8);
    this.out.writeUInt32BE(code, this.out.writeUInt32BE(lastStream, at));
  }

  reset(stream: number, code: number): void {
    const at = this.begin(TYPE_RST_STREAM, 0, stream, 4);
    this.out.writeUInt32BE(code, at);
  }

  window(stream: number, bytes: number): void {
    const at = this.begin(TYPE_WINDOW_UPDATE, 0, stream, 4);
    this.out.writeUInt32BE(bytes, at);
  }

  /** A header block, in as many frames as it needs. */
  headers(stream: number, block: Buffer, ends: boolean): void {
    let at = 0;
    do {
      const bytes = Math.min(block.length - at, FRAME_BYTES_MAX);
      const type = at === 0 ? TYPE_HEADERS : TYPE_CONTINUATION;
      const flags = at + bytes === block.length ? FLAG_END_HEADERS : 0;
      const end = ends && at === 0 ? FLAG_END_STREAM : 0;
      const to = this.begin(type, flags | end, stream, bytes);
      copyBytes(block.subarray(at, at + bytes), this.out, to);
      at += bytes;
    } while (at < block.length);
  }

  /**
   * Room for the payload of one frame, of at most FRAME_BYTES_MAX: it goes to `memory` from the
   * place that is returned, and commitHeaders() is the next call.
   */
  reserve(bytes: number): number {
    const end = this.bytes + FRAME_HEAD_BYTES + bytes;
    if (end > this.out.length) this.grow(end);
    return this.bytes + FRAME_HEAD_BYTES;
  }

  /** Where reserve() has made room. */
  get memory(): Uint8Array {
    return this.out;
  }

  /** A whole header block of `bytes` stands where reserve() has made room for it. */
  commitHeaders(stream: number, bytes: number, ends: boolean): void {
    this.begin(TYPE_HEADERS, FLAG_END_HEADERS | (ends ? FLAG_END_STREAM : 0), stream, bytes);
  }

  /** `bytes`: at most FRAME_BYTES_MAX. */
  data(stream: number, bytes: Uint8Array, ends: boolean): void {
    const at = this.begin(TYPE_DATA, ends ? FLAG_END_STREAM : 0, stream, bytes.length);
    copyBytes(bytes, this.out, at);
  }

  /**
   * Writes the head of a frame; returns where its payload goes, for which there is room. `out` may
   * be another buffer afterwards.
   */
  private begin(type: number, flags: number, stream: number, length: number): number {
    const end = this.bytes + FRAME_HEAD_BYTES + length;
    if (end > this.out.length) this.grow(end);
    const { out, bytes: at } = this;
    out[at] = length >>> 16;
    out[at + 1] = length >>> 8;
    out[at + 2] = length;
    out[at + 3] = type;
    out[at + 4] = flags;
    out[at + 5] = stream >>> 24;
    out[at + 6] = stream >>> 16;
    out[at + 7] = stream >>> 8;
    out[at + 8] = stream;
    this.bytes = end;
    return at + FRAME_HEAD_BYTES;
  }

  private grow(bytes: number): void {
    const larger = Buffer.allocUnsafe(Math.max(BUFFER_BYTES_MIN, this.expected, 2 * bytes));
    this.out.copy(larger, 0, 0, this.bytes);
    this.out = larger;
  }
}
