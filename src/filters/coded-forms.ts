/**
 * The body of a stored reply in content codings, as the stage sees it that compresses.
 *
 * Thread: worker. The store keeps forms; who makes them is compression/form-maker.ts.
 */
import type { Coding } from '../base/content-codings.js';

/** How a body is coded: a form is one body in one of these ways. */
export interface FormKind {
  readonly coding: Coding;
  readonly level: number;
}

export interface CodedForms {
  /** Which body it is: no other has this number. */
  readonly number: number;
  /**
   * The body in this form; empty: it does not get shorter by it; null: nobody has made it. The
   * bytes are valid inside this turn only, and whole: a piece of 64 KiB or less goes out at once.
   */
  find(kind: FormKind): Buffer | null;
  /** The plain body, for as long as one likes; null: it has gone. */
  copyPlain(): Buffer | null;
  /** Stores what was made of it; null: it does not get shorter. */
  keep(kind: FormKind, form: Buffer | null): void;
}
