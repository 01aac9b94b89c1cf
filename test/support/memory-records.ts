/**
 * Sealed records in memory, as all gateways that share a store see them.
 */
import type { SealedRecords } from '../../src/supervisor/shared/sealed-records.js';
import { StoreLostError } from '../../src/supervisor/store-supervisor.js';

export class MemoryRecords implements SealedRecords {
  readonly values = new Map<string, { value: string; version: string; lifeMs: number }>();
  isLost = false;
  /** Runs once, before the next change. */
  beforeChange: () => void = () => {};
  private versions = 0;

  async get(name: string) {
    this.judge();
    return this.values.get(name) ?? null;
  }

  async set(name: string, value: string, lifeMs: number) {
    this.judge();
    this.put(name, value, lifeMs);
  }

  async compareAndSet(name: string, version: string | null, value: string, lifeMs: number) {
    this.interfere();
    this.judge();
    if ((this.values.get(name)?.version ?? null) !== version) return undefined;
    return this.put(name, value, lifeMs);
  }

  async delete(name: string) {
    this.judge();
    return this.values.delete(name);
  }

  async compareAndDelete(name: string, version: string) {
    this.judge();
    return this.values.get(name)?.version === version && this.values.delete(name);
  }

  private put(name: string, value: string, lifeMs: number): string {
    this.versions += 1;
    const version = String(this.versions);
    this.values.set(name, { value, version, lifeMs });
    return version;
  }

  private interfere(): void {
    const { beforeChange } = this;
    this.beforeChange = () => {};
    beforeChange();
  }

  private judge(): void {
    if (this.isLost) throw new StoreLostError('the store is lost');
  }
}
