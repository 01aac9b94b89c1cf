/**
 * How a reload is tried before it comes into force, as threads have it.
 *
 * Thread: any (pure). Types only.
 */

export interface CompiledCanary {
  readonly workers: number;
  /** Of the requests, where there is one worker. */
  readonly percent: number;
  readonly forMs: number;
  /** When it is taken back: a rule of policy/traffic/guard.ts. */
  readonly guard: {
    readonly errorsFactor: number;
    readonly p99Factor: number;
    readonly minRequests: number;
  };
}
