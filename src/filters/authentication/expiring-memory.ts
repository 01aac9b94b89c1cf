/**
 * Remembers values by key, each until its time, and at most a fixed number of them.
 *
 * Thread: worker. A full memory drops the oldest value; a value that is still in use is soon added
 * again.
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

  // Hot path, watched by bench/micro/filters/authentication: every request with credentials.
  get(key: string, now: number): Value | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.expiresAt > now) return entry.value;
    this.entries.delete(key);
    return undefined;
  }

  /** `expiresAt` is on the same clock as `now`. */
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
