/**
 * The flag of V8 by which young generations grow. Code that is compiled beforehand is for one of
 * its values: V8 takes it under no other.
 *
 * Thread: any (both ends).
 */

/** While threads load. */
export const HELD = '--semi-space-growth-factor=1';
/** At other times, as V8 has it. */
export const GROWING = '--semi-space-growth-factor=2';
