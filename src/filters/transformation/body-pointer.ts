/**
 * Pointers to members of a body that the configuration changes: JSON Pointers in which `*` stands
 * for every member of an object and every item of a list.
 *
 * Thread: any (pure). No pointer reaches what belongs to all objects.
 */
import { pointerKeys } from '../../base/json-pointer.js';

/** Names by which a program could reach what belongs to all objects. */
const NAMES_OF_ALL_OBJECTS: ReadonlySet<string> = new Set([
  '__proto__',
  'constructor',
  'prototype',
]);

/** The key that stands for every member and every item. */
export const EVERY = '*';

const DEPTH_MAX = 32;
/** Notations of other languages for "every item", which would be names of members here. */
const FOREIGN_NOTATION = /^\$$|\*.|.\*|\[\d*\]/;

/** The keys of a pointer, or what is wrong with it. */
export function parsePointer(pointer: string): readonly string[] | string {
  if (!/^(?:\/(?:[^~/]|~[01])*)+$/.test(pointer)) {
    return 'must be a JSON Pointer to a member (written /name, /list/0/name)';
  }
  const keys = pointerKeys(pointer);
  if (keys.length > DEPTH_MAX) return `must not be deeper than ${DEPTH_MAX} levels`;
  const foreign = keys.find((key) => NAMES_OF_ALL_OBJECTS.has(key));
  if (foreign !== undefined) return `must not name ${foreign}`;
  const unclear = keys.find((key) => FOREIGN_NOTATION.test(key));
  if (unclear === undefined) return keys;
  return `would name a member ${JSON.stringify(unclear)}: items are written /0 and /*`;
}

/** Whether every place to which `keys` lead lies in, or is, a place to which `outer` leads. */
export function isWithin(keys: readonly string[], outer: readonly string[]): boolean {
  return keys.length >= outer.length && outer.every((key, at) => key === EVERY || key === keys[at]);
}
