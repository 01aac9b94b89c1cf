/**
 * How requests of a route are copied to another upstream.
 *
 * Thread: any (pure). Types only. A part of compiled-config.ts.
 */

export interface CompiledMirror {
  readonly upstreamIndex: number;
  /** Of the upstream. */
  readonly name: string;
  readonly percent: number;
  /** Copies of one worker at a time. */
  readonly inFlightMax: number;
  readonly bodyBytesMax: number;
  /** What is compared with the reply that the client gets. */
  readonly compares: {
    readonly status: boolean;
    readonly fields: boolean;
    readonly body: boolean;
  };
  /** Fields of replies that may differ, lower case. */
  readonly ignored: readonly string[];
  /** Whether copies have the credentials of the client. */
  readonly hasCredentials: boolean;
}
