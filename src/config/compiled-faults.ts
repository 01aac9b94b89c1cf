/**
 * What goes wrong on purpose with requests of a route.
 *
 * Thread: any (pure). Types only. A part of compiled-config.ts.
 */

export interface CompiledFaults {
  readonly percent: number;
  /** 0: no delay. */
  readonly delayMs: number;
  /** 0: the request goes on. */
  readonly status: number;
  /** Only requests with this field, lower case; '': all. */
  readonly header: string;
  /** And with this value; '': any. */
  readonly value: string;
}
