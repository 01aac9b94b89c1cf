/**
 * What `websocket` of a route comes to. A part of compiled-config.ts.
 *
 * Thread: any (pure).
 */

/** What becomes of WebSockets on a route. Durations and sizes: 0 is no limit. */
export interface CompiledWebSocket {
  /** False: every handshake is refused. */
  readonly isOn: boolean;
  /** Whose pages may open one; `sameHost`: those whose Origin has the authority of Host. */
  readonly origins: 'any' | 'sameHost' | readonly string[];
  /** Subprotocols that may be asked for; empty: any, and none. */
  readonly subprotocols: readonly string[];
  /** Bytes of a message of the client's, as they are sent. */
  readonly messageBytes: number;
  /** Messages of the client's in a window; null: any number. */
  readonly messages: { readonly limit: number; readonly windowMs: number } | null;
  /** Code of the Close when the credentials expire; 0: nothing happens then. */
  readonly tokenExpiryCode: number;
  readonly idleMs: number;
  readonly maxLifetimeMs: number;
  readonly pingIntervalMs: number;
}
