/**
 * All compressions of one worker: how many there may be at a time, and what they are made with.
 *
 * Thread: worker. Owns the number of open compressions; each is given back once, by its stage. A
 * stream of zlib works in the thread pool of the process, and so does not keep the event loop; its
 * memory is between 200 KiB and 1 MiB, which is what the number bounds. Whole bodies are compressed
 * at once, in the loop, as long as they are few in a turn.
 *
 * Invariant: 0 <= streams <= open <= openMax, and streams are half of openMax at most: they stay
 * open for long. At most TURN_BYTES_MAX are compressed at once in one turn of the event loop.
 */
import { assert } from '../../base/assert.js';
import type { Coding } from '../../base/content-codings.js';
import { isQuick } from './codecs.js';
import { FormMaker } from './form-maker.js';

/** What comes above that goes to the thread pool, so that other requests are served meanwhile. */
const TURN_BYTES_MAX = 256 * 1024;

/** Where compressions are counted. */
export interface CompressionLedger {
  /** A reply is compressed. */
  countCompressed(coding: Coding): void;
  countCompressedBytes(coding: Coding, bytesIn: number, bytesOut: number): void;
  /** A reply went out as it was, since too many others were being compressed. */
  countUncompressed(): void;
}

export interface CompressionsParts {
  readonly ledger: CompressionLedger;
  /** Calls the step after this turn of the event loop. */
  readonly afterTurn: (step: () => void) => void;
  /** Replies that are compressed at a time. */
  readonly openMax: number;
}

export class Compressions {
  private open = 0;
  private streams = 0;
  /** What has been compressed at once in this turn. */
  private turnBytes = 0;
  private readonly onTurnEnd = () => {
    this.turnBytes = 0;
  };
  /** Compresses what is stored, for all who get it. */
  readonly forms = new FormMaker(this);

  constructor(readonly parts: CompressionsParts) {}

  /** False: too many are open; the reply is counted. */
  tryTake(isEventStream: boolean): boolean {
    const { openMax } = this.parts;
    if (this.open >= openMax || (isEventStream && this.streams >= Math.floor(openMax / 2))) {
      this.parts.ledger.countUncompressed();
      return false;
    }
    this.open += 1;
    if (isEventStream) this.streams += 1;
    return true;
  }

  /** Whether a whole body is to be compressed at once; it is then counted to this turn. */
  tryAtOnce(coding: Coding, level: number, bytes: number): boolean {
    if (!isQuick(coding, level, bytes) || this.turnBytes + bytes > TURN_BYTES_MAX) return false;
    if (this.turnBytes === 0) this.parts.afterTurn(this.onTurnEnd);
    this.turnBytes += bytes;
    return true;
  }

  giveBack(isEventStream: boolean): void {
    assert(this.open > 0, 'a compression is given back once');
    this.open -= 1;
    if (isEventStream) this.streams -= 1;
  }
}
