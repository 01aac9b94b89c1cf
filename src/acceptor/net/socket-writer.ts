/**
 * What goes out on one connection: bytes in order, and how many of them the client has not taken.
 *
 * Thread: acceptor. The kernel takes most writes at once. What it does not take waits in the
 * socket, and up to BACKLOG_BYTES of that count as sent: TLS always holds something for a moment.
 *
 * Invariant: memory that a write was made from is used again only when nothing of it waits.
 */
import type { Socket } from 'node:net';
import { BufferPool } from '../../base/buffer-pool.js';
import { takesDirectWrites, writeDirectly } from '../../base/direct-write.js';
import { BODY_RECORD_BYTES_MAX } from '../../channel/lane.js';

/** With more than this waiting a connection is blocked. */
const BACKLOG_BYTES = 64 * 1024;
/** So it is with as many small writes: each costs hundreds of bytes besides its own. */
const BACKLOG_WRITES = 256;

/** Heads with short bodies: most replies. */
const SMALL_BYTES_MAX = 16 * 1024;

/** Memory for small writes, of which each takes what it needs while others wait. */
const SLAB_BYTES = 128 * 1024;
/** Parts of it begin on a cache line: copies are several times faster than from odd places. */
const SLAB_ALIGNMENT = 64;

/** The largest piece of a body in one record, and what frames it. With a head it is more. */
const PIECE_BYTES_MAX = BODY_RECORD_BYTES_MAX + 1024;
const KEPT_PIECES_MAX = 8;
/** The usual length of long replies: 64 KiB, with what frames them. */
const MIDDLE_BYTES_MAX = 68 * 1024;
const KEPT_MIDDLES_MAX = 32;

/** Small writes to a blocked client are put together: its target may write byte by byte. */
const JOINED_BYTES = SMALL_BYTES_MAX;

const NO_BYTES = Buffer.alloc(0);

/** Memory in which all connections of a thread put together what they write at once. */
export class WriteMemory {
  private readonly pieces = new BufferPool(PIECE_BYTES_MAX, KEPT_PIECES_MAX);
  private readonly middles = new BufferPool(MIDDLE_BYTES_MAX, KEPT_MIDDLES_MAX);
  /** What is left of the slab. */
  small = Buffer.allocUnsafeSlow(SLAB_BYTES);

  /** Memory for a piece, to be released once. */
  takePiece(bytes: number): Buffer {
    return (bytes > MIDDLE_BYTES_MAX ? this.pieces : this.middles).take(bytes);
  }

  releasePiece(piece: Buffer): void {
    // Each takes back what it gave.
    this.pieces.release(piece);
    this.middles.release(piece);
  }

  /** The rest of the slab, or of a new one. The old one goes when nothing of it waits. */
  reserveSmall(bytes: number): Buffer {
    if (bytes > this.small.length) this.small = Buffer.allocUnsafeSlow(SLAB_BYTES);
    return this.small;
  }

  /**
   * The first bytes of it wait in a socket. With TLS those of every write do, for the rest of the
   * turn: new memory for each would be the dearest part of a reply.
   */
  keepSmall(bytes: number): void {
    this.small = this.small.subarray(Math.ceil(bytes / SLAB_ALIGNMENT) * SLAB_ALIGNMENT);
  }
}

/** Whose socket it is. */
export interface WriterOwner {
  /** The client took this many bytes of bodies. */
  onTaken(bodyBytes: number): void;
  /** The connection is not blocked any more. */
  onUnblocked(): void;
  /** A mistake of ours while it was told. */
  onBroken(error: unknown): void;
}

export class SocketWriter {
  /** Something was written since the owner has set it to false. */
  hasWritten = false;
  /** How often something of what waited was taken. */
  flushes = 0;

  /** Pieces of the pool that may wait in the socket, in order. */
  private readonly held: Buffer[] = [];
  private heldBytes = 0;
  /** Bytes of bodies that count as not taken. */
  private untaken = 0;
  private isBlockedNow = false;
  /** Small writes since nothing waited, or since the connection was blocked. */
  private smallWaiting = 0;
  /** Memory of which the first bytes go out behind what waits in the socket. */
  private joined = NO_BYTES;
  /** Not 0 only while the connection is blocked. */
  private joinedBytes = 0;
  /** An empty write waits behind others. */
  private isMarked = false;
  private readonly isDirect: boolean;
  private readonly onFlushed = (): void => {
    try {
      this.look();
    } catch (error) {
      this.owner.onBroken(error);
    }
  };

  private readonly onMarked = (): void => {
    this.isMarked = false;
    this.onFlushed();
    if (this.isBlockedNow) this.mark();
  };

  constructor(
    private readonly socket: Socket,
    private readonly memory: WriteMemory,
    private readonly owner: WriterOwner,
  ) {
    this.isDirect = takesDirectWrites(socket);
  }

  get isBlocked(): boolean {
    return this.isBlockedNow;
  }

  /** Nothing waits. */
  get isEmpty(): boolean {
    return this.unsentBytes === 0;
  }

  /** Bytes that wait in memory for the client to take some. */
  get unsentBytes(): number {
    return this.socket.writableLength + this.joinedBytes;
  }

  /** Memory for one call of send(), which has to be the next call. */
  reserve(bytes: number): Buffer {
    return bytes <= SMALL_BYTES_MAX
      ? this.memory.reserveSmall(bytes)
      : this.memory.takePiece(bytes);
  }

  // Hot path (bench/gateway/plain-get): once for every reply.
  /** Writes the first `bytes` of what reserve() gave; `bodyBytes` of them belong to a body. */
  send(memory: Buffer, bytes: number, bodyBytes: number): void {
    this.hasWritten = true;
    if (memory === this.memory.small) this.sendSmall(memory, bytes);
    else this.sendPiece(memory, bytes);
    this.count(bodyBytes);
  }

  private sendSmall(memory: Buffer, bytes: number): void {
    const { socket } = this;
    if (this.isBlockedNow) {
      this.join(memory.subarray(0, bytes));
      return;
    }
    const taken = this.isDirect ? writeDirectly(socket, memory, bytes) : 0;
    if (taken === bytes) return;
    const rest = memory.subarray(taken, bytes);
    if (socket.writableLength > 0) {
      // A slow client: its few bytes would keep all of the slab.
      socket.write(Buffer.from(rest));
      this.smallWaiting += 1;
      if (this.smallWaiting === BACKLOG_WRITES) this.block();
    } else {
      this.smallWaiting = 0;
      socket.write(rest);
      // The socket reads on in the memory until it is empty.
      if (socket.writableLength > 0) this.memory.keepSmall(bytes);
    }
  }

  private join(bytes: Buffer): void {
    if (this.joined.length - this.joinedBytes < bytes.length) {
      this.writeJoined();
      this.joined = Buffer.allocUnsafeSlow(JOINED_BYTES);
    }
    bytes.copy(this.joined, this.joinedBytes);
    this.joinedBytes += bytes.length;
  }

  private writeJoined(): void {
    const { joined, joinedBytes } = this;
    if (joinedBytes === 0) return;
    this.joined = joined.subarray(joinedBytes);
    this.joinedBytes = 0;
    this.socket.write(joined.subarray(0, joinedBytes));
  }

  /** Nothing more is written: the client sees the end behind all that was. */
  end(): void {
    this.writeJoined();
    this.socket.end();
  }

  /** Writes bytes that nobody changes. */
  sendConstant(bytes: Uint8Array): void {
    this.writeJoined();
    this.hasWritten = true;
    this.socket.write(bytes);
    this.count(0);
  }

  private sendPiece(memory: Buffer, bytes: number): void {
    const { socket } = this;
    this.writeJoined();
    socket.write(memory.subarray(0, bytes), this.onFlushed);
    if (socket.writableLength === 0) {
      this.memory.releasePiece(memory);
    } else {
      // The part that is written: what waits is counted by it.
      const piece = memory.subarray(0, bytes);
      this.held.push(piece);
      this.heldBytes += bytes;
    }
  }

  private count(bodyBytes: number): void {
    this.untaken += bodyBytes;
    if (this.socket.writableLength > BACKLOG_BYTES) this.block();
    else if (!this.isBlockedNow) this.give(this.untaken);
  }

  private block(): void {
    if (this.isBlockedNow) return;
    this.isBlockedNow = true;
    this.mark();
  }

  /**
   * Has itself called when all that waits now has gone: small writes have no callback of their own,
   * and more of them may come meanwhile.
   */
  private mark(): void {
    if (this.isMarked || !this.socket.writable) return;
    this.isMarked = true;
    this.socket.write(NO_BYTES, this.onMarked);
  }

  /** Some of what waited has gone. */
  private look(): void {
    const waiting = this.socket.writableLength;
    this.flushes += 1;
    this.release(waiting);
    if (!this.isBlockedNow || this.socket.destroyed) return;
    const unsent = waiting + this.joinedBytes;
    if (unsent > BACKLOG_BYTES) {
      if (this.untaken > unsent) this.give(this.untaken - unsent);
      return;
    }
    this.isBlockedNow = false;
    this.smallWaiting = 0;
    this.writeJoined();
    this.joined = NO_BYTES;
    this.give(this.untaken);
    this.owner.onUnblocked();
  }

  private release(waiting: number): void {
    for (let piece = this.held[0]; piece !== undefined; piece = this.held[0]) {
      if (this.heldBytes - piece.length < waiting) return;
      this.held.shift();
      this.heldBytes -= piece.length;
      this.memory.releasePiece(piece);
    }
  }

  private give(bytes: number): void {
    if (bytes === 0) return;
    this.untaken -= bytes;
    this.owner.onTaken(bytes);
  }
}
