/**
 * Finds the frames of a WebSocket in the bytes of one direction, and changes nothing.
 *
 * Thread: any (pure). RFC 6455 5.2. Reads the heads of frames, and the code of a Close; payloads
 * are passed over: nothing is unmasked, put together or decompressed. What the two ends may not
 * send to each other is left for them to refuse.
 *
 *     begin(bytes) ──► next() ──► FRAME_HEAD, FRAME_END … ──► FRAMES_MORE
 *
 * Invariant: however the bytes are cut into pieces, the same events come. Behind a length that no
 * frame can have the scanner is lost: it tells nothing any more, and is at no border.
 */

/** All of the bytes are read. */
export const FRAMES_MORE = 0;
/** A head is complete: opcode, isFinal, payloadBytes and headStart are its. */
export const FRAME_HEAD = 1;
/** The frame ends at `at`; of a Close closeCode is known. */
export const FRAME_END = 2;
export type FrameEvent = typeof FRAMES_MORE | typeof FRAME_HEAD | typeof FRAME_END;

export const OPCODE_CONTINUATION = 0;
export const OPCODE_CLOSE = 8;
export const OPCODE_PING = 9;
export const OPCODE_PONG = 10;

/** A Close without a code (RFC 6455 7.1.5). */
export const NO_CLOSE_CODE = 1005;

const FINAL_BIT = 0x80;
const OPCODE_BITS = 0x0f;
const MASK_BIT = 0x80;
const LENGTH_BITS = 0x7f;
const LENGTH_16 = 126;
const LENGTH_64 = 127;
const MASK_BYTES = 4;

const IN_HEAD = 0;
const IN_PAYLOAD = 1;
const LOST = 2;
type ScannerState = typeof IN_HEAD | typeof IN_PAYLOAD | typeof LOST;

const NO_BYTES = new Uint8Array(0);

export class FrameScanner {
  /** Of the frame whose head came last. */
  opcode = 0;
  isFinal = true;
  payloadBytes = 0;
  /** Where its head begins in the bytes that are read; negative: in some that came before. */
  headStart = 0;
  /** Of the last Close. */
  closeCode = NO_CLOSE_CODE;
  /** Where to go on. */
  at = 0;

  private state: ScannerState = IN_HEAD;
  private bytes: Uint8Array = NO_BYTES;
  /** The head so far, in numbers: sockets are many, and an array costs more than all of this. */
  private headBytes = 0;
  private headSize = 2;
  private first = 0;
  private length = 0;
  /** Where the length ends in the head. */
  private lengthEnd = 2;
  /** Of the mask as much as the code of a Close needs; 0: there is none. */
  private firstMask = 0;
  private secondMask = 0;
  private left = 0;
  /** Bytes of the code of a Close that have come; -1: none is looked for. */
  private codeBytes = -1;
  private codeStart = 0;

  /** Whether the last byte was the last of a frame; so it is before the first one. */
  get isAtBorder(): boolean {
    return this.state === IN_HEAD && this.headBytes === 0;
  }

  /** Bytes of a head that is not complete. */
  get partialHeadBytes(): number {
    return this.state === IN_HEAD ? this.headBytes : 0;
  }

  /** More bytes: valid until next() says FRAMES_MORE. */
  begin(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.at = 0;
    this.headStart = -this.headBytes;
  }

  next(): FrameEvent {
    while (this.at < this.bytes.length || this.isFrameOver) {
      const event = this.step();
      if (event !== FRAMES_MORE) return event;
    }
    this.bytes = NO_BYTES;
    return FRAMES_MORE;
  }

  private get isFrameOver(): boolean {
    return this.state === IN_PAYLOAD && this.left === 0;
  }

  private step(): FrameEvent {
    if (this.state === IN_HEAD) return this.readHead();
    if (this.state === IN_PAYLOAD) return this.passPayload();
    this.at = this.bytes.length;
    return FRAMES_MORE;
  }

  private readHead(): FrameEvent {
    if (this.headBytes === 0) this.headStart = this.at;
    this.takeHeadByte(this.bytes[this.at] ?? 0);
    this.headBytes += 1;
    this.at += 1;
    if (this.headBytes < 2 || this.headBytes < this.headSize) return FRAMES_MORE;
    return this.endHead();
  }

  private takeHeadByte(byte: number): void {
    const { headBytes, lengthEnd } = this;
    if (headBytes === 0) this.first = byte;
    else if (headBytes === 1) this.beginLength(byte);
    // Beyond 2^53 it is not exact, and not smaller either.
    else if (headBytes < lengthEnd) this.length = this.length * 256 + byte;
    else if (headBytes === lengthEnd) this.firstMask = byte;
    else if (headBytes === lengthEnd + 1) this.secondMask = byte;
  }

  private beginLength(second: number): void {
    const length = second & LENGTH_BITS;
    const lengthBytes = length === LENGTH_16 ? 2 : length === LENGTH_64 ? 8 : 0;
    this.length = lengthBytes === 0 ? length : 0;
    this.lengthEnd = 2 + lengthBytes;
    this.headSize = this.lengthEnd + ((second & MASK_BIT) === 0 ? 0 : MASK_BYTES);
    this.firstMask = 0;
    this.secondMask = 0;
  }

  private endHead(): FrameEvent {
    this.headBytes = 0;
    this.isFinal = (this.first & FINAL_BIT) !== 0;
    this.opcode = this.first & OPCODE_BITS;
    this.payloadBytes = this.length;
    this.left = this.length;
    this.codeBytes = this.opcode === OPCODE_CLOSE ? 0 : -1;
    if (this.opcode === OPCODE_CLOSE) this.closeCode = NO_CLOSE_CODE;
    // Where a frame beyond 2^53 ends cannot be told: its head is the last event.
    this.state = this.length > Number.MAX_SAFE_INTEGER ? LOST : IN_PAYLOAD;
    return FRAME_HEAD;
  }

  private passPayload(): FrameEvent {
    if (this.codeBytes >= 0 && this.left > 0) return this.readCode();
    const passed = Math.min(this.left, this.bytes.length - this.at);
    this.at += passed;
    this.left -= passed;
    if (this.left > 0) return FRAMES_MORE;
    this.state = IN_HEAD;
    return FRAME_END;
  }

  /** The first two bytes of a Close, most significant first. */
  private readCode(): FrameEvent {
    const mask = this.codeBytes === 0 ? this.firstMask : this.secondMask;
    const byte = (this.bytes[this.at] ?? 0) ^ mask;
    this.at += 1;
    this.left -= 1;
    this.codeBytes += 1;
    if (this.codeBytes === 1) {
      this.codeStart = byte * 256;
    } else {
      this.closeCode = this.codeStart + byte;
      this.codeBytes = -1;
    }
    return FRAMES_MORE;
  }
}
