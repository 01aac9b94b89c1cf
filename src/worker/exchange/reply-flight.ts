/**
 * A reply that is being fetched, as all see it who get it while it comes.
 *
 * Thread: worker. Owns the pieces that have come. Each reader goes through them at its own pace.
 *
 * Invariants: as long as a flight is open it has all of its pieces, so that whoever joins it begins
 * at the first byte; its source is not held back by any reader. Once it is sealed, since it is too
 * long to be stored, nobody joins, what all have read goes, and the slowest reader sets the pace. A
 * flight ends once: whole or broken.
 */
import { type FieldBlock, NO_FIELDS } from '../../base/field-block.js';
import type { EntryHead } from '../../channel/cache/cache-entry.js';

/** One that gets the reply. */
export interface FlightReader {
  /** The number of the piece that it takes next. */
  readonly at: number;
  /** There is more, or the end. */
  pump(): void;
  /** The rest does not come. */
  onBroken(): void;
}

/** What is known of the reply before its body. */
export interface FlightHead {
  readonly head: EntryHead;
  /** Content-Length; -1: not known. */
  readonly bodyBytes: number;
  /** Longer bodies are not stored. */
  readonly bytesMax: number;
  /** The serial of purges when it was asked for. */
  readonly purges: number;
}

/** What all flights of a worker share. */
export interface FlightOwner {
  /** They hold as much as they may: sources wait for readers. */
  readonly isFull: boolean;
  /** The pieces of flights that are not over have become longer, or shorter. */
  onHeld(bytes: number): void;
  /** Nobody reads it any more, and nothing more comes. */
  onOver(flight: ReplyFlight): void;
}

export class ReplyFlight {
  isWhole = false;
  isBroken = false;
  /** All of its pieces are here. */
  isOpen = true;
  bytes = 0;
  trailers: FieldBlock = NO_FIELDS;
  /** Its source waits until readers have got further. */
  isSourceHeld = false;
  private readonly readers = new Set<FlightReader>();
  private pieces: Buffer[] = [];
  private firstPiece = 0;
  private heldBytes = 0;
  private isOver = false;

  constructor(
    readonly reply: FlightHead,
    private readonly owner: FlightOwner,
    private readonly resumeSource: () => void,
  ) {}

  /** Besides this one. */
  hasReaders(own: FlightReader | null = null): boolean {
    return this.readers.size > (own === null ? 0 : 1);
  }

  get pieceEnd(): number {
    return this.firstPiece + this.pieces.length;
  }

  /** undefined: it has not come yet. */
  piece(at: number): Buffer | undefined {
    return this.pieces[at - this.firstPiece];
  }

  /** All that has come, while it is open. */
  whole(): Buffer {
    return Buffer.concat(this.pieces);
  }

  /** False: the source is to wait until it is resumed. */
  mayGoOn(): boolean {
    const mayRun = this.isOpen && !this.owner.isFull;
    this.isSourceHeld = !mayRun && !this.areReadersDone;
    return !this.isSourceHeld;
  }

  private get areReadersDone(): boolean {
    for (const { at } of this.readers) if (at < this.pieceEnd) return false;
    return true;
  }

  join(reader: FlightReader): void {
    this.readers.add(reader);
  }

  leave(reader: FlightReader): void {
    if (this.readers.delete(reader)) this.onAdvanced();
  }

  push(piece: Buffer): void {
    this.pieces.push(piece);
    this.bytes += piece.length;
    this.hold(piece.length);
    this.pumpAll();
    if (!this.isOpen) this.trim();
  }

  /** Readers that could not go on for want of room may do so. */
  pumpAll(): void {
    for (const reader of [...this.readers]) reader.pump();
  }

  /** It is not stored: what all have read is not kept. */
  seal(): void {
    this.isOpen = false;
    this.trim();
  }

  /** Nothing more comes but these. */
  end(trailers: FieldBlock): void {
    this.isWhole = true;
    this.trailers = trailers;
    this.pumpAll();
    this.onAdvanced();
  }

  break(): void {
    if (this.isWhole || this.isBroken) return;
    this.isBroken = true;
    const readers = [...this.readers];
    this.readers.clear();
    this.close();
    for (const reader of readers) reader.onBroken();
  }

  /** A reader has got further, or has gone. */
  onAdvanced(): void {
    if (!this.isOpen) this.trim();
    if (this.isWhole && this.readers.size === 0) this.close();
    if (this.isSourceHeld && this.mayGoOn()) this.resumeSource();
  }

  private trim(): void {
    let at = this.pieceEnd;
    for (const reader of this.readers) at = Math.min(at, reader.at);
    for (const piece of this.pieces.splice(0, at - this.firstPiece)) this.hold(-piece.length);
    this.firstPiece = at;
  }

  private hold(bytes: number): void {
    this.heldBytes += bytes;
    this.owner.onHeld(bytes);
  }

  private close(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.owner.onHeld(-this.heldBytes);
    this.owner.onOver(this);
  }
}
