/**
 * Pointers to members of a body that the configuration changes.
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

const DEPTH_MAX = 32;

/** The keys of a pointer, or what is wrong with it. */
export function parsePointer(pointer: string): readonly string[] | string {
  if (!/^(?:\/(?:[^~/]|~[01])*)+$/.test(pointer)) {
    return 'must be a JSON Pointer to a member (written /name, /list/0/name)';
  }
  const keys = pointerKeys(pointer);
  if (keys.length > DEPTH_MAX) return `must not be deeper than ${DEPTH_MAX} levels`;
  const foreign = keys.find((key) => NAMES_OF_ALL_OBJECTS.has(key));
  return foreign === undefined ? keys : `must not name ${foreign}`;
}
