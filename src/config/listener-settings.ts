/**
 * What a listener goes by: where it binds, who speaks with its clients, and how long it waits.
 *
 * Thread: any (pure). Made by compile/compile-listeners.ts; plain data, so that it can be cloned
 * to threads.
 */

import type { EngineName, ListenerAddress } from '../base/listener-address.js';
import type { TlsSettings } from './tls-settings.js';

/** More listeners than this have no rows: their number is one byte in a request's record. */
export const LISTENER_ROWS = 256;

/** `h2`: HTTP/2 on TLS, by ALPN; `h2c`: without TLS, by prior knowledge (RFC 9113 3.3). */
export type ListenerProtocol = 'http1' | 'h2' | 'h2c';

/** What one connection of a client that speaks HTTP/2 may do. */
export interface ListenerHttp2 {
  /** Streams that may be open at once. */
  readonly streamsMax: number;
  /** Bytes of replies that may wait in memory for the client to take them. */
  readonly unsentMax: number;
}

/** One listener, with every default filled in. */
export interface ListenerSettings {
  /**
   * The row: 0 to LISTENER_ROWS - 1, ClientRequest.listener. A listener keeps it by its name from
   * one version of the configuration to the next.
   */
  readonly index: number;
  /** No two listeners have one name. */
  readonly name: string;
  readonly address: ListenerAddress;
  /** `auto` is decided when the gateway starts. */
  readonly engine: 'auto' | EngineName;
  /** Keys that are configured here and that only the engine `wire` can do. */
  readonly wireOnly: readonly string[];
  /** At least one. */
  readonly protocols: readonly ListenerProtocol[];
  readonly http2: ListenerHttp2;
  /** null: no TLS. */
  readonly tls: TlsSettings | null;
  /** Every connection must begin with such a header, unless it is `off`. */
  readonly proxyProtocol: 'off' | 'v1' | 'v2' | 'any';
  /** CIDR ranges of proxies whose word about the client is believed. */
  readonly trustedProxies: readonly string[];
  /** Not null: every request is sent to https, at this port. */
  readonly redirectToHttps: { readonly port: number } | null;
  /** Between two requests of a connection, in ms. */
  readonly idleMs: number;
  /** For a whole head, from its first byte on; for a PROXY header, from the first moment on. */
  readonly headMs: number;
  /** Between two reads of a body that is wanted. */
  readonly bodyIdleMs: number;
  /** For a client that has closed its side, while nothing is sent to it. */
  readonly halfCloseMs: number;
  /** For a TLS handshake. */
  readonly handshakeMs: number;
  /** What becomes of request fields with `_` in their names. */
  readonly underscores: 'forward' | 'drop' | 'refuse';
  /** What becomes of characters of a target that no URI has. */
  readonly rawCharacters: 'encode' | 'refuse';
  /** Requests of one connection, after which it closes; 0: no bound. */
  readonly keepAliveRequests: number;
  /** Connections open at once; 0: `limits.connections` is the only bound. */
  readonly connectionsMax: number;
  /** The engine `uws` takes chunked requests that have bodies. */
  readonly takesChunked: boolean;
}
