/**
 * What the store is told of keys until it says that it knows: what was admitted without it, what
 * requests cost beyond their reserves, and all that it knew when it has lost its state.
 *
 * Thread: coordinator. Owns the list of such keys; what is told of each is in its lease.
 */
import type { StoreStatus } from '../channel/store/store-status.js';
import { EXACT_MS_MAX, type Lease } from './cluster-lease.js';

/** Keys about which it is told in one tick, and keys that are looked at for that. */
const TOLD_PER_TICK_MAX = 256;
const LOOKED_PER_TICK_MAX = 1024;

interface TellingParts {
  readonly status: StoreStatus;
  readonly timeoutMs: number;
  /** Each sends one message. False: it cannot be sent now. */
  tell(lease: Lease, nowMs: number): boolean;
  recall(lease: Lease, nowMs: number): boolean;
}

export class ClusterTellings {
  private readonly untold = new Set<Lease>();
  /** What the coordinator before this one has not told is unknown until then. */
  private forgottenUntilMs: number;

  constructor(private readonly parts: TellingParts) {
    this.forgottenUntilMs = parts.status.hasUntold ? Number.POSITIVE_INFINITY : Number.NaN;
  }

  /** Whether another coordinator may have left something untold. */
  get isSomeForgotten(): boolean {
    return !Number.isNaN(this.forgottenUntilMs);
  }

  add(lease: Lease): void {
    this.untold.add(lease);
  }

  /** Its place was taken. */
  delete(lease: Lease): void {
    this.untold.delete(lease);
  }

  onTick(nowMs: number, isUp: boolean): void {
    if (isUp && this.untold.size > 0) this.tellAll(nowMs);
    if (this.parts.status.hasUntold) this.checkUntold(nowMs, isUp);
  }

  /** Again and again, until it is confirmed. */
  private tellAll(nowMs: number): void {
    let told = 0;
    let looked = 0;
    for (const lease of this.untold) {
      looked += 1;
      if (looked > LOOKED_PER_TICK_MAX) return;
      if (lease.isTold(nowMs)) {
        this.untold.delete(lease);
        continue;
      }
      for (const send of this.dueOf(lease, nowMs)) {
        if (told === TOLD_PER_TICK_MAX || !send(lease, nowMs)) return;
        told += 1;
      }
    }
  }

  private dueOf(lease: Lease, nowMs: number): ((lease: Lease, nowMs: number) => boolean)[] {
    const { timeoutMs, tell, recall } = this.parts;
    const due = lease.memory.mustRecall(nowMs, timeoutMs) ? [recall] : [];
    // An ask that is on its way may have told it.
    const isAsked = lease.serial !== 0 && nowMs - lease.sentMs < 2 * timeoutMs;
    if (isAsked || !lease.mustTell(nowMs) || lease.isTelling(nowMs, timeoutMs)) return due;
    return [...due, tell];
  }

  /** Whether the store knows all that was admitted without it, by limits that wait for that. */
  private checkUntold(nowMs: number, isUp: boolean): void {
    if (this.forgottenUntilMs === Number.POSITIVE_INFINITY) {
      this.forgottenUntilMs = nowMs + EXACT_MS_MAX;
    }
    if (nowMs < this.forgottenUntilMs || !isUp) return;
    for (const { limit } of this.untold) if (limit.quietMs > 0) return;
    this.forgottenUntilMs = Number.NaN;
    this.parts.status.setUntold(false);
  }
}
