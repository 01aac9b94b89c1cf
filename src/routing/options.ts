/**
 * Options of routing.
 *
 * Thread: any (pure).
 */

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
