/**
 * Remembers what the last header blocks of a connection said, so that the same requests are not
 * read again.
 *
 * Thread: any (pure). Clients of services send a few heads over and over on one connection. A block
 * takes about ten times as long to decode and to judge as to find again.
 *
 * Invariants: what is remembered was good, and was read under the same rules from the same
 * connection. It is forgotten when the table of the fields changes: while that stays as it was,
 * reading the block again would say the same, and change nothing. Nothing outlives the connection,
 * and the memory is bounded: BLOCKS_MAX, each with a block of BLOCK_BYTES_MAX and a text of
 * TEXT_CHARS_MAX.
 */
import { HeadPause } from '../http1/head-memory.js';
import type { Http2RequestHead } from './request-fields.js';

/** How many different requests are remembered. */
export const BLOCKS_MAX = 8;
/** Longer blocks are read each time. */
export const BLOCK_BYTES_MAX = 512;
/** Nor is a head remembered of which the lanes get a longer text. */
export const TEXT_CHARS_MAX = 2048;
/** Unknown blocks in a row after which some are not looked up. */
const MISSES_MAX = 2 * BLOCKS_MAX;

/** Under which circumstances a block says the same. */
export interface BlockCircumstances {
  /** How often the table of the fields has changed. */
  readonly tableChanges: number;
  /** The object that says how requests are read. */
  readonly rules: object;
  /** No body follows. */
  readonly endsStream: boolean;
}

interface KnownBlock {
  readonly head: Http2RequestHead;
  readonly endsStream: boolean;
}

export class BlockMemory {
  private readonly known = new Map<string, KnownBlock>();
  private tableChanges = 0;
  private rules: object | null = null;
  /** The block that find() was asked for last and does not know; empty: not to be remembered. */
  private asked = '';
  /** Blocks in a row that nobody knew. */
  private misses = 0;
  /** Who sends no block twice pays for few of these searches. */
  private readonly pause = new HeadPause();

  // Hot path (bench/gateway/http2-single): once for every request.
  /** What the block says; null: it has to be read, and may be offered then. */
  find(block: Buffer, circumstances: BlockCircumstances): Http2RequestHead | null {
    this.asked = '';
    if (block.length > BLOCK_BYTES_MAX || this.pause.takeOne()) return null;
    const { known } = this;
    const { tableChanges, rules, endsStream } = circumstances;
    if (tableChanges !== this.tableChanges || rules !== this.rules) {
      known.clear();
      this.tableChanges = tableChanges;
      this.rules = rules;
    }
    const text = block.toString('latin1');
    const found = known.get(text);
    if (found?.endsStream === endsStream) {
      this.misses = 0;
      this.pause.forget();
      return found.head;
    }
    this.asked = text;
    this.countMiss();
    return null;
  }

  private countMiss(): void {
    this.misses += 1;
    if (this.misses < MISSES_MAX) return;
    this.misses = 0;
    this.pause.begin();
  }

  /** The block that find() did not know says this. The oldest one makes room for it. */
  offer(head: Http2RequestHead, endsStream: boolean): void {
    const { asked, known } = this;
    if (asked === '' || !isPlain(head)) return;
    if (known.size >= BLOCKS_MAX && !known.has(asked)) {
      for (const oldest of known.keys()) {
        known.delete(oldest);
        break;
      }
    }
    known.set(asked, { head, endsStream });
  }
}

/** A request that is no more than its head says. */
function isPlain({ problem, expectsContinue, wantsTunnel, text }: Http2RequestHead): boolean {
  return problem === null && !expectsContinue && !wantsTunnel && text.length <= TEXT_CHARS_MAX;
}
