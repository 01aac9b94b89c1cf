/** Looks at a process's memory again and again while something runs. */
const SAMPLE_MS = 50;

export class MemoryWatch {
  private readonly timer: NodeJS.Timeout;
  peakBytes = 0;

  constructor(private readonly residentBytes: () => number) {
    this.timer = setInterval(() => this.sample(), SAMPLE_MS);
    this.sample();
  }

  private sample(): void {
    this.peakBytes = Math.max(this.peakBytes, this.residentBytes());
  }

  /** Ends the watch; returns the most that was seen. */
  stop(): number {
    this.sample();
    clearInterval(this.timer);
    return this.peakBytes;
  }
}
