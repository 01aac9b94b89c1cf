/**
 * Options of the IP filter.
 *
 * Thread: any (pure).
 */

/**
 * Which client addresses may call. Behind `trustedProxies` the client is the address that they
 * tell, else the peer of the connection.
 */
export interface IpFilterConfig {
  /** Addresses and CIDR ranges that may call; all others may not. Default: everybody. */
  readonly allow?: readonly string[];
  /** Addresses and CIDR ranges that may not, whatever `allow` says. Default: none. */
  readonly deny?: readonly string[];
}

/** Ranges in CIDR notation. */
export interface CompiledIpFilter {
  readonly allow: readonly string[];
  readonly deny: readonly string[];
}
