/**
 * Asks to the store and what it answers: both ends.
 *
 * Thread: any (both ends). Each end owns its side of the rings and nothing else. The supervisor
 * keeps the memory while coordinators and store threads come and go.
 *
 *     coordinator                                    store's thread
 *     ask, flush  ══ takes ══►                       nextTake … (woken by its port, if it sleeps)
 *     drain       ◄══ taken ══                       answer, flush (wakes the coordinator)
 *
 * What lies in a ring when an end begins was meant for the one before it, and is skipped: an ask is
 * sent at most once, and an answer that nobody reads only loses units.
 */
import { CoordinatorStatus } from '../coordinator/coordinator-status.js';
import {
  allocateSlotRing,
  NO_SLOT,
  SlotRingConsumer,
  SlotRingProducer,
} from '../coordinator/slot-ring.js';
import type { Port } from '../port.js';
import { StoreSlots, type TakeFields, type TakenFields } from './store-records.js';
import { allocateStoreStatus, StoreStatus } from './store-status.js';

/** Keys that may be asked about at the same time. */
const TAKES_MAX = 4096;

/** Can be cloned to a thread. */
export interface StoreMemory {
  readonly takes: SharedArrayBuffer;
  readonly taken: SharedArrayBuffer;
  readonly status: SharedArrayBuffer;
  /** Status of the coordinator, which has its doorbell. */
  readonly coordinatorStatus: SharedArrayBuffer;
}

export function allocateStoreMemory(coordinatorStatus: SharedArrayBuffer): StoreMemory {
  return {
    takes: allocateSlotRing(TAKES_MAX),
    taken: allocateSlotRing(TAKES_MAX),
    status: allocateStoreStatus(),
    coordinatorStatus,
  };
}

/** The coordinator's end. */
export class StoreAsker {
  readonly status: StoreStatus;
  readonly generation: number;
  private readonly takes: SlotRingProducer;
  private readonly taken: SlotRingConsumer;
  private readonly takeSlots: StoreSlots;
  private readonly takenSlots: StoreSlots;
  private wakePort: Pick<Port, 'postMessage'> | null = null;

  constructor(memory: StoreMemory) {
    this.status = new StoreStatus(memory.status);
    this.generation = this.status.nextGeneration();
    this.takes = new SlotRingProducer(memory.takes);
    this.taken = new SlotRingConsumer(memory.taken);
    this.takeSlots = new StoreSlots(this.takes.words);
    this.takenSlots = new StoreSlots(this.taken.words);
    this.taken.skipAll();
  }

  get isUp(): boolean {
    return this.status.isUp;
  }

  /** Another thread of the store runs. It is woken at once: asks may lie in the ring. */
  setWakePort(port: Pick<Port, 'postMessage'>): void {
    this.wakePort = port;
    port.postMessage(0);
  }

  /** Visible after a {@link flush}. False: there is no room. */
  ask(take: TakeFields): boolean {
    const base = this.takes.claim();
    if (base === NO_SLOT) return false;
    this.takeSlots.writeTake(base, take);
    return true;
  }

  /** Makes what was asked visible. */
  flush(): void {
    if (this.takes.publish() && this.takes.takeParked()) this.wakePort?.postMessage(0);
  }

  hasAnswers(): boolean {
    return !this.taken.isEmpty();
  }

  /** Hands over what was answered, to this coordinator's asks. */
  drain(onTaken: (taken: TakenFields) => void): void {
    for (let base = this.taken.next(); base !== NO_SLOT; base = this.taken.next()) {
      const taken = this.takenSlots.readTaken(base);
      if (taken.generation === this.generation) onTaken(taken);
    }
    this.taken.release();
  }
}

/** The end of the store's thread. */
export class StoreAnswerer {
  readonly status: StoreStatus;
  private readonly takes: SlotRingConsumer;
  private readonly taken: SlotRingProducer;
  private readonly takeSlots: StoreSlots;
  private readonly takenSlots: StoreSlots;
  private readonly coordinator: CoordinatorStatus;

  constructor(memory: StoreMemory) {
    this.status = new StoreStatus(memory.status);
    this.takes = new SlotRingConsumer(memory.takes);
    this.taken = new SlotRingProducer(memory.taken);
    this.takeSlots = new StoreSlots(this.takes.words);
    this.takenSlots = new StoreSlots(this.taken.words);
    this.coordinator = new CoordinatorStatus(memory.coordinatorStatus);
    this.takes.skipAll();
  }

  /** The next ask; null: there is none, and the next one wakes this thread. */
  nextTake(): TakeFields | null {
    const base = this.nextBase();
    if (base === NO_SLOT) return null;
    const take = this.takeSlots.readTake(base);
    this.takes.release();
    return take;
  }

  /** Without room the answer is lost, and with it its units. */
  answer(taken: TakenFields): void {
    const base = this.taken.claim();
    if (base !== NO_SLOT) this.takenSlots.writeTaken(base, taken);
  }

  /** Makes what was answered visible, and wakes the coordinator if it sleeps. */
  flush(): void {
    if (this.taken.publish()) this.coordinator.wakeCoordinator();
  }

  private nextBase(): number {
    const base = this.takes.next();
    if (base !== NO_SLOT || this.takes.park()) return base;
    return this.takes.next();
  }
}
