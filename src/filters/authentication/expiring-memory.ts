/**
 * Remembers values by key, each until its time, and at most a fixed number and weight of them.
 *
 * Thread: worker. A full memory drops the oldest value; a value that is still in use is soon added
 * again.
 */

interface Entry<Value> {
  readonly value: Value;
  readonly expiresAt: number;
  readonly weight: number;
}

/** How long a value is remembered, and how much of the memory it takes. */
export interface Lasting {
  /** On the same clock as the `now` of {@link ExpiringMemory.get}. */
  readonly expiresAt: number;
  /** In the unit of `weightMax`. Default: 0. */
  readonly weight?: number;
}

export class ExpiringMemory<Value> {
  private readonly entries = new Map<string, Entry<Value>>();

  private weight = 0;

  /** `weightMax`: of all values together; without it they are only counted. */
  constructor(
    private readonly capacity: number,
    private readonly weightMax = Number.POSITIVE_INFINITY,
  ) {}

  get size(): number {
    return this.entries.size;
  }

  // Hot path, watched by bench/micro/filters/authentication: every request with credentials.
  get(key: string, now: number): Value | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.expiresAt > now) return entry.value;
    this.forget(key);
    return undefined;
  }

  set(key: string, value: Value, { expiresAt, weight = 0 }: Lasting): void {
    if (this.capacity === 0 || weight > this.weightMax) return;
    this.forget(key);
    for (const oldest of this.entries.keys()) {
      const hasRoom = this.entries.size < this.capacity;
      if (hasRoom && this.weight + weight <= this.weightMax) break;
      this.forget(oldest);
    }
    this.entries.set(key, { value, expiresAt, weight });
    this.weight += weight;
  }

  clear(): void {
    this.entries.clear();
    this.weight = 0;
  }

  private forget(key: string): void {
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    this.entries.delete(key);
    this.weight -= entry.weight;
  }
}
