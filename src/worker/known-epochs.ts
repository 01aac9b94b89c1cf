/**
 * The epochs that this worker still knows: the one in force, earlier ones with requests in flight,
 * prepared ones, and one of these that is on trial.
 *
 * Thread: worker. An earlier epoch is dropped some time after its last exchange has finished: by
 * then all grants of the coordinator under it are void, and all tells were sent.
 */
import { GRANT_VALID_MS } from '../channel/coordinator/coordinator-records.js';
import type { CompiledTarget } from '../config/compiled-config.js';
import type { WorkerEpoch } from './worker-epoch.js';

const PERCENT = 100;

/** One that this worker is behind with, and one that all workers are asked to take. */
const PREPARED_MAX = 2;

interface Earlier {
  readonly epoch: WorkerEpoch;
  /** Since when the epoch has no exchanges; NaN: it has some. */
  idleSinceMs: number;
}

interface Trial {
  readonly epoch: WorkerEpoch;
  /** In hundredths of the requests. */
  readonly percent: number;
  /** What is due to it, in hundredths of a request. */
  due: number;
}

export class KnownEpochs {
  private prepared: WorkerEpoch[] = [];
  /** One of the prepared ones, which gets a share of the requests before it is in force. */
  private trial: Trial | null = null;
  private earlier: Earlier[] = [];

  /** `onGone`: the epoch will not be used any more, or never was. */
  constructor(
    private inForce: WorkerEpoch,
    private readonly onGone: (epoch: WorkerEpoch) => void = () => {},
  ) {}

  get current(): WorkerEpoch {
    return this.inForce;
  }

  /** The epoch of the next request. Hot path (bench/gateway/plain-get): once for every request. */
  next(): WorkerEpoch {
    const { trial } = this;
    if (trial === null) return this.inForce;
    trial.due += trial.percent;
    if (trial.due < PERCENT) return this.inForce;
    trial.due -= PERCENT;
    return trial.epoch;
  }

  get hasEarlier(): boolean {
    return this.earlier.length > 0;
  }

  /** Keeps the epoch until it is committed, or until PREPARED_MAX others have come after it. */
  prepare(epoch: WorkerEpoch): void {
    const all = [...this.prepared, epoch];
    this.prepared = all.slice(-PREPARED_MAX);
    for (const dropped of all.slice(0, -PREPARED_MAX)) this.onGone(dropped);
  }

  /** The prepared epoch of this number gets some of the requests; null: there is none. */
  tryOut(number: number, percent: number): WorkerEpoch | null {
    const epoch = this.prepared.find(({ config }) => config.epoch === number);
    if (epoch === undefined) return null;
    this.trial = { epoch, percent, due: 0 };
    return epoch;
  }

  /** The epoch on trial gets no more requests, and will not be in force. False: there is none. */
  takeBack(): boolean {
    const { trial } = this;
    if (trial === null) return false;
    this.trial = null;
    this.prepared = this.prepared.filter((one) => one !== trial.epoch);
    this.earlier.push({ epoch: trial.epoch, idleSinceMs: Number.NaN });
    return true;
  }

  /** The prepared epoch of this number comes into force; null: there is none. */
  commit(number: number): WorkerEpoch | null {
    const next = this.prepared.find(({ config }) => config.epoch === number);
    if (next === undefined) return null;
    this.trial = null;
    const skipped = this.prepared.filter(({ config }) => config.epoch < number);
    for (const one of skipped) this.onGone(one);
    this.prepared = this.prepared.filter(({ config }) => config.epoch > number);
    this.earlier.push({ epoch: this.inForce, idleSinceMs: Number.NaN });
    this.inForce = next;
    return next;
  }

  /** Targets of this epoch that the one in force does not have. */
  targetsNewTo({ config }: WorkerEpoch): readonly CompiledTarget[] {
    const inForce = new Set(this.inForce.config.targets.map(({ index }) => index));
    return config.targets.filter(({ index }) => !inForce.has(index));
  }

  /** Removes epochs of which nothing is left, and returns their numbers. */
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

  /** The rows of all targets that an exchange may ask for. */
  targetIndexes(): Set<number> {
    const onTrial = this.trial === null ? [] : [this.trial.epoch];
    const epochs = [this.inForce, ...onTrial, ...this.earlier.map((one) => one.epoch)];
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
