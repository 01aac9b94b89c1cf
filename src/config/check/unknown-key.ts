/**
 * Says what may have been meant by a key that the schema does not know at its place.
 *
 * Thread: any (pure).
 */
import type { SchemaNode } from '../../schema/schema-node.js';
import { CONFIG_SCHEMA } from '../schema/config-schema.js';
import { nearestName, suggestName } from './nearest-name.js';

/** More places than this are no help. */
const PLACES_MAX = 2;
/** Longer keys are cut: they are text that slipped out of its place. */
const KEY_SHOWN_MAX = 64;

/** By key: where it may stand. Made at the first mistake. */
let placesByKey: ReadonlyMap<string, readonly string[]> | null = null;

/** `unknown key "windw", did you mean "window"?`; `known`: the keys of its place. */
export function unknownKeyMessage(key: string, known: readonly string[]): string {
  const isCut = key.length > KEY_SHOWN_MAX;
  const shown = JSON.stringify(isCut ? `${key.slice(0, KEY_SHOWN_MAX)}…` : key);
  if (/^(\/\/|\/\*)/.test(key)) return `unknown key ${shown}; a comment begins with "#"`;
  const places = nearestName(key, known) === undefined ? placesOf(key) : [];
  const hint =
    places.length === 0 ? suggestName(key, known, 'key') : `; it belongs into ${either(places)}`;
  return `unknown key ${shown}${hint}`;
}

function placesOf(key: string): readonly string[] {
  placesByKey ??= findPlaces(CONFIG_SCHEMA);
  const places = placesByKey.get(key) ?? [];
  return places.length > PLACES_MAX ? [] : places;
}

function either(places: readonly string[]): string {
  const last = places.at(-1) ?? '';
  return places.length < 2 ? last : `${places.slice(0, -1).join(', ')} or ${last}`;
}

function findPlaces(root: SchemaNode): ReadonlyMap<string, readonly string[]> {
  const places = new Map<string, string[]>();
  const visit = (node: SchemaNode, path: string): void => {
    for (const [key, child] of Object.entries(node.properties ?? {})) {
      const known = places.get(key) ?? places.set(key, []).get(key) ?? [];
      if (path !== '' && !known.includes(path)) known.push(path);
      visit(child, path === '' ? key : `${path}.${key}`);
    }
    if (node.items !== undefined) visit(node.items, `${path}[]`);
    if (node.additionalProperties) visit(node.additionalProperties, `${path}.NAME`);
    for (const one of node.oneOf ?? []) visit(one, path);
  };
  visit(root, '');
  return places;
}
