/**
 * Why the cache did not answer a request, or did not store a reply: what operators are told.
 *
 * Thread: any (pure). The place in its list is the place of a reason's counter: new ones go to the
 * end, and each list has room for REASONS_MAX.
 */

/** Why a request of a route with a cache was none of its business. */
export const BYPASS_REASONS = [
  /** Its method is not one whose replies are stored. */
  'method',
  /** It has a body. */
  'body',
  /** It asks for a tunnel. */
  'tunnel',
  /** It has a field by which its target may take it for another request. */
  'override',
] as const;
export type BypassReason = (typeof BYPASS_REASONS)[number];

/** Why a target was asked: RFC 9211 section 2.2; or why nobody was. */
export const MISS_REASONS = [
  'uri-miss',
  'vary-miss',
  'stale',
  'request',
  /** Nothing is stored, and the client wants nothing else. */
  'only-if-cached',
] as const;
export type MissReason = (typeof MISS_REASONS)[number];

/** Why a reply is not stored. */
export const NOT_STORED_REASONS = [
  'method',
  'status',
  'no-store',
  'private',
  'credentials',
  'set-cookie',
  'vary',
  'no-freshness',
  'too-large',
  'event-stream',
  /** The request asked for a part, or its client forbade it. */
  'request',
  /** It did not come to its end. */
  'incomplete',
  /** It was purged while it came. */
  'purged',
  /** Fields follow it, which a stored reply would not have. */
  'trailers',
] as const;
export type NotStored = (typeof NOT_STORED_REASONS)[number];

/** Counters that each list has. */
export const REASONS_MAX = 24;
