/**
 * The part of a value that is right so far.
 *
 * Thread: any (pure). Types only. A check that runs on it need not wait until all else is right,
 * so that a user sees every mistake at once.
 */

/** T as far as it is right: any part may be missing, and what is there has its type. */
export type SoundPart<T> = T extends readonly (infer Item)[]
  ? readonly (SoundPart<Item> | undefined)[]
  : T extends object
    ? { readonly [K in keyof T]?: SoundPart<T[K]> | undefined }
    : T;
