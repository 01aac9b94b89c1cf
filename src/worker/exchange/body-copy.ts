/**
 * Bodies of an exchange that its access record shows.
 *
 * Thread: worker. Owned by the exchange; written by telemetry/logged-bodies.ts.
 */
export interface BodyCopy {
  /** Bytes that came. */
  readonly length: number;
  /** All of them; null: they were not kept. */
  readonly bytes: Buffer | null;
  readonly contentType: string;
  /** Values of Content-Encoding. */
  readonly codings: readonly string[];
}

export class BodyCopies {
  /** null: not shown, or not known yet. */
  request: BodyCopy | null = null;
  reply: BodyCopy | null = null;
}
