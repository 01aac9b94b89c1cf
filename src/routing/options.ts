/**
 * Options of routing.
 *
 * Thread: any (pure).
 */

/** Where the id of a request comes from, which logs, replies and targets get. */
export interface RequestIdConfig {
  /**
   * Whose X-Request-Id is kept, if it is sane: `anyone`'s, that of `trustedProxies`, or `nobody`'s,
   * so that each request gets one of the gateway's own. Default: anyone.
   */
  readonly accept?: 'anyone' | 'trustedProxies' | 'nobody';
}

/** What is done about spellings that a target could read in another way than the gateway. */
export interface HardeningConfig {
  /**
   * `refuse`: 400 for a path with `;` or `%3B` in it, which some targets cut off, so that
   * `/admin;x` would be `/admin` to them. `allow`: part of the name. Default: refuse.
   */
  readonly pathParameters?: 'refuse' | 'allow';
  /**
   * X-HTTP-Method-Override, X-HTTP-Method, X-Method-Override, X-Original-URL, X-Rewrite-URL and
   * X-Override-URL, by which some targets take another method or path than the one that the
   * gateway has judged. Default: remove.
   */
  readonly overrideHeaders?: 'remove' | 'forward';
}
