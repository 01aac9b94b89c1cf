/**
 * What goes to the store about keys, and about which key each answer is.
 *
 * Thread: coordinator. Owns the serials, and what could not be sent so far of what comes back.
 *
 * Every take is answered once at most, however late. What nobody could tell any more whose it was
 * would be lost, so takes are known until their answers come; of more than {@link SENT_MAX} the
 * oldest are forgotten.
 */
import type { StoreAsker } from '../channel/store/store-channel.js';
import { createTakeFields, type TakeFields } from '../channel/store/store-records.js';
import type { Lease } from './cluster-lease.js';
import type { UnitsBack } from './key-memory.js';

/** No answer is waited for: there was no room to ask. */
export const NO_SERIAL = 0;
const FIRST_SERIAL = 1;
const SERIAL_MAX = 0x7fffffff;
const SENT_MAX = 65_536;
const BACK_MAX = 16_384;
/** Of what waited, in one tick: the ring has room for more. */
const BACK_PER_TICK_MAX = 1024;

/** What a take says of its limit, and of what is wanted. */
export type TakeWish = Omit<
  TakeFields,
  'generation' | 'serial' | 'digest' | 'keyHashHigh' | 'keyHashLow'
>;

interface Waiting {
  readonly lease: Lease;
  readonly back: UnitsBack;
}

export class StoreTakes {
  private readonly take = createTakeFields();
  private readonly sent = new Map<number, Lease>();
  private nextSerial = FIRST_SERIAL;
  private waiting: Waiting[] = [];

  constructor(
    private readonly store: StoreAsker,
    /** Sends it in a take of its own. False: it cannot be sent now. */
    private readonly trySend: (lease: Lease, back: UnitsBack) => boolean,
  ) {}

  /** Returns the serial of its answer, or {@link NO_SERIAL}. */
  send(lease: Lease, wish: TakeWish): number {
    const { take, store } = this;
    const serial = this.nextSerial;
    Object.assign(take, wish);
    take.generation = store.generation;
    take.serial = serial;
    take.digest = lease.limit.scope.digest;
    take.keyHashHigh = lease.high;
    take.keyHashLow = lease.low;
    if (!store.ask(take)) return NO_SERIAL;
    store.flush();
    this.nextSerial = serial === SERIAL_MAX ? FIRST_SERIAL : serial + 1;
    this.note(serial, lease);
    return serial;
  }

  /** Whose answer this is; null: nobody's, or that of one that has come before. */
  leaseOf(serial: number): Lease | null {
    return this.sent.get(serial) ?? null;
  }

  /** Its answer has come. */
  forget(serial: number): void {
    this.sent.delete(serial);
  }

  /** Those about which something is on its way. */
  get leases(): Iterable<Lease> {
    return this.sent.values();
  }

  /** Gives units back: now, or as soon as the store can be reached. Each goes out once. */
  giveBack(lease: Lease, back: UnitsBack): void {
    if (this.waiting.length === 0 && this.trySend(lease, back)) return;
    if (this.waiting.length < BACK_MAX) this.waiting.push({ lease, back });
  }

  /** Sends what has waited. */
  onTick(): void {
    if (this.waiting.length === 0) return;
    const now = this.waiting.slice(0, BACK_PER_TICK_MAX);
    const unsent = now.findIndex(({ lease, back }) => !this.trySend(lease, back));
    this.waiting = this.waiting.slice(unsent === -1 ? now.length : unsent);
  }

  private note(serial: number, lease: Lease): void {
    if (this.sent.size >= SENT_MAX) {
      for (const oldest of this.sent.keys()) {
        this.sent.delete(oldest);
        break;
      }
    }
    this.sent.set(serial, lease);
  }
}
