/**
 * What happened a short while ago, by name: bounded in number and in age.
 *
 * Thread: any (pure). Entries are in order of time.
 */
export class RecentMap<Value> {
  private readonly entries = new Map<string, { readonly value: Value; readonly until: number }>();

  constructor(
    private readonly capacity: number,
    private readonly seconds: number,
  ) {}

  get(name: string, unixSeconds: number): Value | undefined {
    const entry = this.entries.get(name);
    return entry !== undefined && entry.until > unixSeconds ? entry.value : undefined;
  }

  set(name: string, value: Value, unixSeconds: number): void {
    this.entries.delete(name);
    this.entries.set(name, { value, until: unixSeconds + this.seconds });
    for (const [oldest, { until }] of this.entries) {
      if (until > unixSeconds && this.entries.size <= this.capacity) break;
      this.entries.delete(oldest);
    }
  }

  /** Those that are too old may be among them. */
  get values(): readonly Value[] {
    return [...this.entries.values()].map(({ value }) => value);
  }

  delete(name: string): void {
    this.entries.delete(name);
  }
}
