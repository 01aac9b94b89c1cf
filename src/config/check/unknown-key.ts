/**
 * Says what may have been meant by a key that the schema does not know at its place.
 *
 * Thread: any (pure).
 */
import type { SchemaNode } from '../../schema/schema-node.js';
import { CONFIG_SCHEMA } from '../schema/config-schema.js';
import { didYouMean, nearestName, suggestName } from './nearest-name.js';

/** More places than this are no help. */
const PLACES_MAX = 2;
/** Longer keys are cut: they are text that slipped out of its place. */
const KEY_SHOWN_MAX = 64;

/** What other gateways call it. Keys that are known at their place are never looked up here. */
const WORDS_OF_OTHERS: ReadonlyMap<string, string> = new Map([
  ...['service', 'backend', 'cluster', 'proxy_pass'].map((word) => [word, 'upstream'] as const),
  ...['services', 'backends', 'clusters'].map((word) => [word, 'upstreams'] as const),
  ...['prefix', 'pathPrefix', 'path_prefix', 'uri'].map((word) => [word, 'path'] as const),
  ...['endpoints', 'servers', 'nodes', 'address'].map((word) => [word, 'targets'] as const),
  ...['host', 'hostname', 'hostnames', 'domains'].map((word) => [word, 'hosts'] as const),
]);

/** By key: where it may stand. Made at the first mistake. */
let placesByKey: ReadonlyMap<string, readonly string[]> | null = null;

/** `unknown key "windw", did you mean "window"?`; `node`: its place. */
export function unknownKeyMessage(key: string, node: SchemaNode): string {
  const isCut = key.length > KEY_SHOWN_MAX;
  const shown = JSON.stringify(isCut ? `${key.slice(0, KEY_SHOWN_MAX)}…` : key);
  if (/^(\/\/|\/\*)/.test(key)) return `unknown key ${shown}; a comment begins with "#"`;
  return `unknown key ${shown}${hintFor(key, node)}`;
}

function hintFor(key: string, node: SchemaNode): string {
  const known = Object.keys(node.properties ?? {});
  const part = neededPartWith(key, node);
  if (part !== undefined) return `; it belongs into ${JSON.stringify(part)}`;
  const meant = meantKey(key, known);
  if (meant !== undefined) return didYouMean(meant);
  const places = placesOf(key);
  if (places.length > 0) return `; it belongs into ${either(places)}`;
  const within = meantWithin(key, node);
  if (within !== undefined) return didYouMean(within);
  return suggestName(key, known, 'key');
}

/** The one of `known` that was meant; undefined: none is like it. */
export function meantKey(key: string, known: readonly string[]): string | undefined {
  const word = WORDS_OF_OTHERS.get(key);
  if (word !== undefined && known.includes(word)) return word;
  return nearestName(key, known);
}

/** The part of this place that must be there, and has the key: `match` for `path`. */
function neededPartWith(key: string, { required = [] }: SchemaNode): string | undefined {
  return required.find((part) => allPlacesOf(key).some((place) => place.endsWith(`.${part}`)));
}

/** `match.listener` for `listeners`: a key of a part that must be there. */
function meantWithin(key: string, { required = [] }: SchemaNode): string | undefined {
  placesByKey ??= findPlaces(CONFIG_SCHEMA);
  for (const part of required) {
    const isWithin = (places: readonly string[]) => places.some((at) => at.endsWith(`.${part}`));
    const known = [...placesByKey].filter(([, places]) => isWithin(places)).map(([name]) => name);
    const meant = meantKey(key, known);
    if (meant !== undefined) return `${part}.${meant}`;
  }
  return undefined;
}

function placesOf(key: string): readonly string[] {
  const places = allPlacesOf(key);
  return places.length > PLACES_MAX ? [] : places;
}

function allPlacesOf(key: string): readonly string[] {
  placesByKey ??= findPlaces(CONFIG_SCHEMA);
  return placesByKey.get(key) ?? [];
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
