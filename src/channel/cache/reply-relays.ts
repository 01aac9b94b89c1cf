/**
 * Carries replies that are still being fetched from the lane that fetches to lanes that wait.
 *
 * Thread: any (both ends). Each lane has a few relays, in which it gets what other lanes fetch: a
 * ring of bytes with one writer, the lane that fetches, and one reader, the lane that has it.
 *
 *     one lane: life, then the relays
 *     relay: state, token of the lease, written, read, then the ring
 *
 *     free ──want──► wanted ──accept──► fed ──end──► done ──┐
 *       ▲              │                 │ └──break─► broken ┤
 *       └──────────────┴── free ◄─ left ◄┘  close            └──close──► free
 *
 * Invariants:
 * - A state is changed by one compareExchange, and says who may act next: the reader in free,
 *   wanted, done and broken; the writer in fed and left. Wanted has a turn in it and fed its
 *   writer, so that no state that comes back is taken for an earlier one.
 * - Only the writer writes bytes, and only in fed; it frees a relay that its reader has left. So no
 *   byte of one reply can come behind another one.
 * - A lane's life moves when another worker has it. A writer of an earlier life is gone: its relays
 *   are broken for their readers, and free when their readers had left.
 * - Bytes stand in the ring before `written` moves over them, and are taken out before `read` does.
 */
import { assert } from '../../base/assert.js';

const FREE = 0;
const WANTED = 1;
const FED = 2;
const DONE = 3;
const BROKEN = 4;
const LEFT = 5;
type RelayState =
  | typeof FREE
  | typeof WANTED
  | typeof FED
  | typeof DONE
  | typeof BROKEN
  | typeof LEFT;

const STATE_BITS = 3;
const STATE_MASK = (1 << STATE_BITS) - 1;
const LANE_BITS = 9;
const LANE_MASK = (1 << LANE_BITS) - 1;
const COUNT_MASK = 0xfffff;

export const RELAYS = 4;
const STATE = 0;
const TOKEN = 1;
const WRITTEN = 2;
const READ = 3;
const HEAD_WORDS = 4;
const LIFE_WORDS = 4;

/** Bytes of shared memory that the relays of one lane need. */
export function relayBytes(ringBytes: number): number {
  return LIFE_WORDS * 4 + RELAYS * (HEAD_WORDS * 4 + ringBytes);
}

function wordOf(state: RelayState, lane: number, count: number): number {
  return ((count & COUNT_MASK) << (STATE_BITS + LANE_BITS)) | (lane << STATE_BITS) | state;
}

function stateOf(word: number): number {
  return word & STATE_MASK;
}

function withState(word: number, state: RelayState): number {
  return (word & ~STATE_MASK) | state;
}

/** One relay, as either end sees it. */
class Relay {
  private readonly words: Int32Array;
  private readonly ring: Uint8Array;

  constructor(memory: SharedArrayBuffer, index: number) {
    const ringBytes = (memory.byteLength - LIFE_WORDS * 4) / RELAYS - HEAD_WORDS * 4;
    const at = LIFE_WORDS * 4 + index * (HEAD_WORDS * 4 + ringBytes);
    this.words = new Int32Array(memory, at, HEAD_WORDS);
    this.ring = new Uint8Array(memory, at + HEAD_WORDS * 4, ringBytes);
  }

  get word(): number {
    return Atomics.load(this.words, STATE);
  }

  get token(): number {
    return Atomics.load(this.words, TOKEN);
  }

  swap(from: number, to: number): boolean {
    return Atomics.compareExchange(this.words, STATE, from, to) === from;
  }

  /** For a relay that is free. */
  empty(token: number): void {
    Atomics.store(this.words, TOKEN, token);
    Atomics.store(this.words, WRITTEN, 0);
    Atomics.store(this.words, READ, 0);
  }

  /** As many of the bytes as there is room for: how many. */
  write(bytes: Uint8Array): number {
    const written = Atomics.load(this.words, WRITTEN);
    const used = (written - Atomics.load(this.words, READ)) | 0;
    const length = Math.min(bytes.length, this.ring.length - used);
    if (length <= 0) return 0;
    const at = (written >>> 0) % this.ring.length;
    const first = Math.min(length, this.ring.length - at);
    this.ring.set(bytes.subarray(0, first), at);
    if (first < length) this.ring.set(bytes.subarray(first, length), 0);
    Atomics.store(this.words, WRITTEN, (written + length) | 0);
    return length;
  }

  /** A copy of all that has been written and not read. */
  read(): Buffer {
    const read = Atomics.load(this.words, READ);
    const length = (Atomics.load(this.words, WRITTEN) - read) | 0;
    assert(length >= 0 && length <= this.ring.length, 'a relay holds no more than its ring');
    const at = (read >>> 0) % this.ring.length;
    const first = Math.min(length, this.ring.length - at);
    const bytes = Buffer.allocUnsafe(length);
    bytes.set(this.ring.subarray(at, at + first), 0);
    bytes.set(this.ring.subarray(0, length - first), first);
    Atomics.store(this.words, READ, (read + length) | 0);
    return bytes;
  }
}

/** What a lane gets from the one that fetches. */
export type RelayProgress = 'wanted' | 'fed' | 'done' | 'broken';

export class ReceivedRelay {
  constructor(
    private readonly relay: Relay,
    private readonly lives: Lives,
    /** The lease under which the reply is fetched. */
    readonly token: number,
  ) {}

  get progress(): RelayProgress {
    const { word } = this.relay;
    switch (stateOf(word)) {
      case WANTED:
        return 'wanted';
      case FED:
        return this.lives.isGone(word) ? 'broken' : 'fed';
      case DONE:
        return 'done';
      default:
        return 'broken';
    }
  }

  /** What has come since the last time. */
  read(): Buffer {
    return this.relay.read();
  }

  /** Nobody here wants more of it. */
  close(): void {
    giveUp(this.relay, this.lives);
  }
}

export class FedRelay {
  private rest: Uint8Array = new Uint8Array(0);

  constructor(
    private readonly relay: Relay,
    private readonly word: number,
  ) {}

  /** False: its reader has left, and it is free. */
  get isWanted(): boolean {
    if (this.relay.word === this.word) return true;
    this.freeIfLeft();
    return false;
  }

  private freeIfLeft(): void {
    this.relay.swap(withState(this.word, LEFT), FREE);
  }

  /** Whether all of them are in the ring; else the rest is to be offered again by {@link go}. */
  write(bytes: Uint8Array): boolean {
    assert(this.rest.length === 0, 'the rest of the last bytes goes before others');
    this.rest = bytes;
    return this.go();
  }

  go(): boolean {
    if (this.rest.length === 0) return true;
    this.rest = this.rest.subarray(this.relay.write(this.rest));
    return this.rest.length === 0;
  }

  /** All has been written. */
  end(): void {
    this.finish(DONE);
  }

  /** The rest does not come. */
  break(): void {
    this.finish(BROKEN);
  }

  private finish(state: RelayState): void {
    // A reader that has left meanwhile waits for nothing.
    if (!this.relay.swap(this.word, withState(this.word, state))) this.freeIfLeft();
  }
}

/** Which workers their lanes have. */
class Lives {
  private readonly words: readonly Int32Array[];

  constructor(memories: readonly SharedArrayBuffer[]) {
    this.words = memories.map((memory) => new Int32Array(memory, 0, LIFE_WORDS));
  }

  /** Another worker has the lane from now on. */
  begin(lane: number): number {
    const words = this.words[lane];
    return words === undefined ? 0 : Atomics.add(words, 0, 1) + 1;
  }

  /** Whether the writer that the state names has gone. */
  isGone(word: number): boolean {
    const words = this.words[(word >>> STATE_BITS) & LANE_MASK];
    const life = word >>> (STATE_BITS + LANE_BITS);
    return words === undefined || (Atomics.load(words, 0) & COUNT_MASK) !== life;
  }
}

/** The reader of a relay wants no more of it. */
function giveUp(relay: Relay, lives: Lives): void {
  for (;;) {
    const { word } = relay;
    const state = stateOf(word);
    if (state === FREE) return;
    const isWriters = (state === FED || state === LEFT) && !lives.isGone(word);
    if (state === LEFT && isWriters) return;
    if (relay.swap(word, isWriters ? withState(word, LEFT) : FREE)) return;
  }
}

export class ReplyRelays {
  private readonly lives: Lives;
  private readonly own: readonly Relay[];
  private readonly others: readonly Relay[];
  private readonly fedWord: number;
  private turn = 0;

  /** For the worker that has the lane from now on. `relays`: the memory of each lane. */
  constructor(
    relays: readonly SharedArrayBuffer[],
    private readonly lane: number,
  ) {
    this.lives = new Lives(relays);
    this.fedWord = wordOf(FED, lane, this.lives.begin(lane));
    const ofLane = (memory: SharedArrayBuffer) =>
      Array.from({ length: RELAYS }, (_, index) => new Relay(memory, index));
    this.own = relays.filter((_, at) => at === lane).flatMap(ofLane);
    this.others = relays.filter((_, at) => at !== lane).flatMap(ofLane);
    for (const relay of this.own) giveUp(relay, this.lives);
  }

  /** Whether there is anybody to fetch for, or to get something from. */
  get hasOthers(): boolean {
    return this.others.length > 0;
  }

  /** Asks the lane that holds this lease to hand on what it fetches. null: no relay is free. */
  want(token: number): ReceivedRelay | null {
    for (const relay of this.own) {
      // What was left may be free since its writer has died.
      if (stateOf(relay.word) === LEFT) giveUp(relay, this.lives);
      if (relay.word !== FREE) continue;
      relay.empty(token);
      this.turn += 1;
      relay.swap(FREE, wordOf(WANTED, this.lane, this.turn));
      return new ReceivedRelay(relay, this.lives, token);
    }
    return null;
  }

  /** The relays of lanes that want what is fetched under this lease, and have not got it yet. */
  accept(token: number): FedRelay[] {
    const found: FedRelay[] = [];
    for (const relay of this.others) {
      const { word } = relay;
      if (stateOf(word) !== WANTED || relay.token !== token) continue;
      if (relay.swap(word, this.fedWord)) found.push(new FedRelay(relay, this.fedWord));
    }
    return found;
  }
}
