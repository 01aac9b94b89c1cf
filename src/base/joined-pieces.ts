/**
 * Lists of pieces that wait, in which short ones share memory.
 *
 * Thread: any (pure). A peer may send its bytes one by one, and each buffer costs a hundred times
 * as much as a byte. The last piece of a list grows while there is room behind it.
 */
import { copyBytes, copyOfBytes } from './copy-bytes.js';

/** Shorter pieces are joined. */
export const JOINED_BYTES = 4096;

const NO_ROOM: Buffer = Buffer.alloc(0);

export class JoinedPieces {
  /** Behind the last piece that was joined. */
  private room = NO_ROOM;

  /** Puts a copy of `bytes` behind all that waits. */
  add(pieces: Buffer[], bytes: Uint8Array): void {
    if (!this.tryAdd(pieces, bytes)) pieces.push(copyOfBytes(bytes));
  }

  /**
   * Puts a copy of `bytes` behind others that wait already. False: nothing waits, or they are too
   * many; the caller appends a copy of its own.
   */
  tryAdd(pieces: Buffer[], bytes: Uint8Array): boolean {
    const last = pieces.at(-1);
    if (last === undefined || bytes.length >= JOINED_BYTES) return false;
    const { room } = this;
    const end = last.byteOffset + last.length;
    const isBehind = last.buffer === room.buffer && end === room.byteOffset;
    if (isBehind && bytes.length <= room.length) {
      this.take(bytes);
      const joined = Buffer.from(last.buffer, last.byteOffset, last.length + bytes.length);
      pieces[pieces.length - 1] = joined;
    } else {
      this.room = Buffer.allocUnsafeSlow(JOINED_BYTES);
      pieces.push(this.take(bytes));
    }
    return true;
  }

  /** Puts `bytes` at the beginning of the room, which is behind them from now on. */
  private take(bytes: Uint8Array): Buffer {
    const { room } = this;
    copyBytes(bytes, room, 0);
    this.room = room.subarray(bytes.length);
    return room.subarray(0, bytes.length);
  }
}
