/**
 * The epochs that this worker still knows: the one in force, those before it that requests are in
 * hand under, and those that are ready to follow.
 *
 * Thread: worker. An earlier epoch is let go some time after its last exchange has finished: by
 * then whatever the coordinator granted under it is void, and what was told has been sent.
 */
import { GRANT_VALID_MS } from '../channel/coordinator/coordinator-records.js';
import type { WorkerEpoch } from './worker-epoch.js';

/** One that this worker is behind with, and one that all are asked to take. */
const PREPARED_MAX = 2;

interface Earlier {
  readonly epoch: WorkerEpoch;
  /** When it was first seen without exchanges; NaN: it has some. */
  idleSinceMs: number;
}

export class KnownEpochs {
  private prepared: WorkerEpoch[] = [];
  private earlier: Earlier[] = [];

  /** `onGone`: an epoch will not be used any more, or never was. */
  constructor(
    private inForce: WorkerEpoch,
    private readonly onGone: (epoch: WorkerEpoch) => void = () => {},
  ) {}

  get current(): WorkerEpoch {
    return this.inForce;
  }

  get hasEarlier(): boolean {
    return this.earlier.length > 0;
  }

  /** Keeps it until it is committed, or until others have come after it. */
  prepare(epoch: WorkerEpoch): void {
    const all = [...this.prepared, epoch];
    this.prepared = all.slice(-PREPARED_MAX);
    for (const dropped of all.slice(0, -PREPARED_MAX)) this.onGone(dropped);
  }

  /** The prepared epoch of this number comes into force; null: there is none. */
  commit(number: number): WorkerEpoch | null {
    const next = this.prepared.find(({ config }) => config.epoch === number);
    if (next === undefined) return null;
    const skipped = this.prepared.filter(({ config }) => config.epoch < number);
    for (const one of skipped) this.onGone(one);
    this.prepared = this.prepared.filter(({ config }) => config.epoch > number);
    this.earlier.push({ epoch: this.inForce, idleSinceMs: Number.NaN });
    this.inForce = next;
    return next;
  }

  /** Takes out the epochs that nothing is left of; their numbers. */
  release(nowMs: number): number[] {
    const released: number[] = [];
    this.earlier = this.earlier.filter((one) => {
      if (!isOver(one, nowMs)) return true;
      released.push(one.epoch.config.epoch);
      this.onGone(one.epoch);
      return false;
    });
    return released;
  }

  /** Rows of all targets that an exchange may ask for. */
  targetIndexes(): Set<number> {
    const epochs = [this.inForce, ...this.earlier.map((one) => one.epoch)];
    return new Set(epochs.flatMap(({ config }) => config.targets.map((target) => target.index)));
  }
}

function isOver(one: Earlier, nowMs: number): boolean {
  if (one.epoch.exchanges > 0) {
    one.idleSinceMs = Number.NaN;
    return false;
  }
  if (Number.isNaN(one.idleSinceMs)) one.idleSinceMs = nowMs;
  return nowMs - one.idleSinceMs > GRANT_VALID_MS;
}
