/**
 * How the body of a stored reply lies in the store a second time, in a content coding.
 *
 * Thread: any (pure). A coded form is an entry like a reply: it takes memory, goes to make room,
 * and lies in the segment of whoever has made it. It is found by the number of its reply only.
 *
 * Invariants: no two replies have one number, and a reply that is stored anew, also after it was
 * validated, has another one. So a form answers as long as its reply does and no longer, whether it
 * was killed with it or is still there. There is one form of a reply in each coding, but for the
 * moment in which two workers have made the same.
 */
import { CODINGS, type Coding } from '../../base/content-codings.js';
import { NO_FIELDS } from '../../base/field-block.js';
import type { EntryHead } from './cache-entry.js';

/** Of the form of a reply: numbers are given out in turn, and lie in different buckets by this. */
export function formHash(number: number, coding: Coding): number {
  const place = number * CODINGS.length + CODINGS.indexOf(coding);
  return Math.imul(place | 0, 0x9e3779b1);
}

/** All that is known of it beside its number: which coding, and how hard that has tried. */
export function formHead(coding: Coding, level: number): EntryHead {
  return {
    key: coding,
    variant: '',
    status: level,
    fields: NO_FIELDS,
    date: '',
    bornMs: 0,
    bornUnixMs: 0,
    freshMs: 0,
    whileRevalidateMs: 0,
    ifErrorMs: 0,
    isAlwaysValidated: false,
    serials: [],
  };
}
