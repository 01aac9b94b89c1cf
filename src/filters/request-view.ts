/**
 * What filters and stages see of a request.
 *
 * Thread: worker.
 */

/** The header fields of a request. Names are lower case. */
export interface FieldView {
  readonly host: string;
  /** The first value, or ''. */
  value(name: string): string;
  /** Every value, in order. */
  values(name: string): readonly string[];
  /** All fields, names and values in turn. */
  all(): readonly string[];
}

/** What a filter sees of a request. */
export interface RequestView {
  readonly method: string;
  /** Normalised, without the query. */
  readonly path: string;
  /** As it came, with its question mark, or ''. */
  readonly query: string;
  readonly scheme: string;
  /** Behind trusted proxies; '' when it is not known. */
  readonly clientIp: string;
  readonly requestId: string;
  /** Bytes of the body; -1: not known yet. */
  readonly bodyBytes: number;
  readonly consumer: string;
  readonly claims: Readonly<Record<string, unknown>> | null;
  /** Decoded; what a star took is under `*`. */
  readonly params: Readonly<Record<string, string | undefined>>;
  readonly fields: FieldView;
}
