/**
 * What is known of the OpenAPI documents of routes, for people.
 *
 * Thread: any (pure). Types only. A part of compiled-config.ts.
 */

/** What of the requests of an operation is judged, and what is not. */
export interface OpenapiScope {
  /** For people: `query limit`, `body application/json`. */
  readonly judged: readonly string[];
  /** Sentences that say what is not, and why. */
  readonly unjudged: readonly string[];
}

/** The document of a route. */
export interface CompiledDocument {
  /** Name of the route in the configuration. */
  readonly route: string;
  /** The first of what is not supported: a sentence each. */
  readonly unsupported: readonly string[];
  readonly unsupportedCount: number;
}
