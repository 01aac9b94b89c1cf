/**
 * Options of routing.
 *
 * Thread: any (pure).
 */

/** Where the request id in logs, replies and requests to targets comes from. */
export interface RequestIdConfig {
  /**
   * Whose X-Request-Id is kept, if the id is well formed: `anyone`'s, that of `trustedProxies`, or
   * `nobody`'s, so that the gateway makes an id for each request. Default: anyone.
   */
  readonly accept?: 'anyone' | 'trustedProxies' | 'nobody';
}

/** What happens to spellings that a target could read in another way than the gateway. */
export interface HardeningConfig {
  /**
   * `refuse`: a path with `;` or `%3B` gets 400. Some targets cut the rest off, and read `/admin;x`
   * as `/admin`. `allow`: the character is part of the name. Default: refuse.
   */
  readonly pathParameters?: 'refuse' | 'allow';
  /**
   * X-HTTP-Method-Override, X-HTTP-Method, X-Method-Override, X-Original-URL, X-Rewrite-URL and
   * X-Override-URL make some targets use another method or path than the gateway has checked.
   * Default: remove.
   */
  readonly overrideHeaders?: 'remove' | 'forward';
}
