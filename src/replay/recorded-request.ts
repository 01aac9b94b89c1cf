/**
 * One request as an access log has it.
 *
 * Thread: supervisor (on the main thread). Types only.
 */

/** What a line of a log says of a request. What a format does not have is empty. */
export interface RecordedRequest {
  /** When its head came, in ms since 1970. */
  readonly beganUnixMs: number;
  /** From its head to the end of its reply; 0 where the log does not say. */
  readonly durationMs: number;
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** Empty: the log does not say. */
  readonly host: string;
  /** As the gateway saw it, behind the proxies that it trusts. */
  readonly clientIp: string;
  /** Who called; empty: nobody who is known. */
  readonly consumer: string;
  /** What the client got; 499: it left before. */
  readonly status: number;
  /** The code of the problem where the gateway itself answered; empty: it did not. */
  readonly code: string;
  /** Of the gateway that wrote the log; empty: the log does not say, or none took it. */
  readonly route: string;
  /** Names in lower case, and values. */
  readonly fields: readonly (readonly [string, string])[];
}

/** What a line is. */
export type LogLine =
  | { readonly kind: 'request'; readonly request: RecordedRequest }
  /** It is no access record: other lines may stand in the same log. */
  | { readonly kind: 'other' }
  /** It looks like a record, and lacks what a request needs. */
  | { readonly kind: 'unreadable' };

export const OTHER_LINE: LogLine = { kind: 'other' };
export const UNREADABLE_LINE: LogLine = { kind: 'unreadable' };
