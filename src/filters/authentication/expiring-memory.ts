/**
 * Remembers values by key, each until its time, and never more than so many.
 *
 * Thread: worker. When it is full the value that came first goes: one that is still in use comes
 * back as the last.
 */

interface Entry<Value> {
  readonly value: Value;
  readonly expiresAt: number;
}

export class ExpiringMemory<Value> {
  private readonly entries = new Map<string, Entry<Value>>();

  constructor(private readonly capacity: number) {}

  get size(): number {
    return this.entries.size;
  }

  // Hot path: every request with credentials; bench/micro/filters/authentication watches it.
  get(key: string, now: number): Value | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.expiresAt > now) return entry.value;
    this.entries.delete(key);
    return undefined;
  }

  /** `expiresAt` counts as `now` does. */
  set(key: string, value: Value, expiresAt: number): void {
    if (this.capacity === 0) return;
    this.entries.delete(key);
    if (this.entries.size >= this.capacity) {
      const oldest = this.entries.keys().next().value;
      if (oldest !== undefined) this.entries.delete(oldest);
    }
    this.entries.set(key, { value, expiresAt });
  }

  clear(): void {
    this.entries.clear();
  }
}
