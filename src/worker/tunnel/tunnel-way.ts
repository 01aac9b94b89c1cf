/**
 * One direction of a tunnel: its frames, what of a head is held back, and what is put in between.
 *
 * Thread: worker. Owned by its tunnel.
 *
 * Invariants: bytes go on in order, and unchanged. A frame of ours stands between two frames, never
 * in one; behind a Close of ours nothing goes on.
 */
import {
  FRAME_END,
  FRAME_HEAD,
  FRAMES_MORE,
  FrameScanner,
  OPCODE_CLOSE,
  OPCODE_CONTINUATION,
} from '../../wire/websocket/frame-scanner.js';

const NO_BYTES = Buffer.alloc(0);

/** What a way does with what it has read. */
export interface WayOwner {
  /**
   * A frame begins. Not 0: it may not go on, and the tunnel is to end with this code; it then
   * sets an ending for the way before it returns.
   */
  judge(way: TunnelWay): number;
  /** Bytes that go on; valid inside the call only. */
  pass(way: TunnelWay, bytes: Uint8Array): void;
  /** The peer has said Close. */
  onPeerClosed(way: TunnelWay): void;
}

export class TunnelWay {
  readonly scanner = new FrameScanner();
  /** Messages that have begun. */
  messages = 0;
  bytes = 0;
  /** Whose bytes these are has said Close. */
  hasClosed = false;
  /** Nothing goes on any more. */
  isShut = false;
  /** Whose bytes these are sends nothing more. */
  hasEnded = false;

  /** A Close that waits for the end of a frame. */
  private ending: Buffer | null = null;
  private held: Buffer = NO_BYTES;

  /** `holdsHeads`: a frame may have to be stopped, so its head waits until it is complete. */
  constructor(
    private readonly owner: WayOwner,
    private readonly holdsHeads: boolean,
  ) {}

  /** A frame of ours could go out now. */
  get isAtBorder(): boolean {
    const isHeld = this.holdsHeads && this.scanner.partialHeadBytes > 0;
    return !this.isShut && (this.scanner.isAtBorder || isHeld);
  }

  /** Reads more bytes, and lets them go on. */
  take(bytes: Uint8Array): void {
    const { scanner } = this;
    this.bytes += bytes.length;
    let from = 0;
    scanner.begin(bytes);
    for (let event = scanner.next(); event !== FRAMES_MORE; event = scanner.next()) {
      if (event === FRAME_HEAD) from = this.onHead(bytes, from);
      else if (event === FRAME_END) from = this.onFrameEnd(bytes, from);
    }
    if (!this.isShut) this.passRest(bytes, from);
  }

  private onHead(bytes: Uint8Array, from: number): number {
    const { scanner } = this;
    const { opcode } = scanner;
    if (opcode !== OPCODE_CONTINUATION && opcode < OPCODE_CLOSE) this.messages += 1;
    if (this.isShut || this.owner.judge(this) === 0) return from;
    if (scanner.headStart > from) this.pass(bytes.subarray(from, scanner.headStart));
    else if (scanner.headStart < 0) this.held = NO_BYTES;
    this.shut();
    return bytes.length;
  }

  private onFrameEnd(bytes: Uint8Array, from: number): number {
    const { scanner } = this;
    const isClose = scanner.opcode === OPCODE_CLOSE && !this.hasClosed;
    if (isClose) this.hasClosed = true;
    let next = from;
    if (!this.isShut && this.ending !== null) {
      this.pass(bytes.subarray(from, scanner.at));
      this.shut();
      next = bytes.length;
    }
    if (isClose) this.owner.onPeerClosed(this);
    return next;
  }

  private passRest(bytes: Uint8Array, from: number): void {
    const partial = this.holdsHeads ? this.scanner.partialHeadBytes : 0;
    const tail = Math.min(partial, bytes.length - from);
    const end = bytes.length - tail;
    if (end > from) this.pass(bytes.subarray(from, end));
    if (tail === 0) return;
    this.held = Buffer.concat([this.held, bytes.subarray(end)]);
  }

  /** What was held back goes first. */
  private pass(bytes: Uint8Array): void {
    const { held } = this;
    if (held.length > 0) {
      this.held = NO_BYTES;
      this.owner.pass(this, held);
    }
    this.owner.pass(this, bytes);
  }

  /** Nothing of the peer's goes on behind this Close, which goes out at the next border. */
  endWith(close: Buffer): void {
    if (this.ending !== null || this.isShut) return;
    this.ending = close;
    if (this.isAtBorder) this.shut();
  }

  private shut(): void {
    const { ending } = this;
    this.isShut = true;
    this.held = NO_BYTES;
    // RFC 6455 5.5.1: nothing follows a Close.
    if (ending !== null && !this.hasClosed) this.owner.pass(this, ending);
    this.ending = null;
  }
}
