/**
 * The second word of a record's header: what kind of record follows, and its flags.
 *
 * Thread: any (pure).
 *
 *     bits 0–7   kind; 0 is padding, which no handler sees
 *     bits 8–31  flags
 */

const KIND_MASK = 0xff;
const FLAGS_SHIFT = 8;

/** `kind` is 1 to 255. */
export function kindWithFlags(kind: number, flags: number): number {
  return kind | (flags << FLAGS_SHIFT);
}

export function kindOf(kindAndFlags: number): number {
  return kindAndFlags & KIND_MASK;
}

export function flagsOf(kindAndFlags: number): number {
  return kindAndFlags >>> FLAGS_SHIFT;
}
