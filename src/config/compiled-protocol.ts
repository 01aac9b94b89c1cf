/**
 * How the targets of an upstream are spoken with, as it was compiled.
 *
 * Thread: any (pure). A part of compiled-config.ts.
 */

export type UpstreamProtocolName = 'http1' | 'h2' | 'h2c' | 'auto';

export interface CompiledProtocol {
  readonly protocol: UpstreamProtocolName;
  readonly http2: {
    /** Of one connection. */
    readonly streamsMax: number;
    /** Of one worker to one target. */
    readonly connectionsMax: number;
    /** After so long without a byte a target is asked whether it is there; 0: never. */
    readonly pingMs: number;
    readonly pongMs: number;
  };
}
