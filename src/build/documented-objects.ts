/**
 * The objects of the configuration that have a name and keys, as they are found in its schema.
 *
 * Thread: any (pure), in a process of its own.
 */
import type { SchemaNode } from '../schema/schema-node.js';

export interface DocumentedObject {
  /** The name of its type. */
  readonly name: string;
  readonly node: SchemaNode;
  /** Where it stands: `routes[].cors`. '' is the whole configuration. */
  readonly paths: readonly string[];
  /** What each of these places says about it. */
  readonly descriptions: readonly string[];
}

/** Each named object once, in the order in which the schema comes to it. */
export function documentedObjects(root: SchemaNode): readonly DocumentedObject[] {
  const found = new Map<string, Found>();
  visit(root, '', found);
  return [...found].map(([name, { node, paths, descriptions }]) => {
    return { name, node, paths, descriptions: [...descriptions] };
  });
}

interface Found {
  readonly node: SchemaNode;
  readonly paths: string[];
  readonly descriptions: Set<string>;
}

function visit(node: SchemaNode, path: string, found: Map<string, Found>): void {
  const { properties, items, additionalProperties, oneOf } = node;
  for (const branch of oneOf ?? []) visit(branch, path, found);
  // One thing or a list of such things: the thing says what it is.
  if (items !== undefined) visit(items, `${path}[]`, found);
  const isOther = node['x-typescript'] !== items?.['x-typescript'];
  if (items !== undefined && properties !== undefined && isOther) visitObject(node, path, found);
  if (items !== undefined) return;
  if (properties !== undefined) visitObject(node, path, found);
  else if (additionalProperties) visit(additionalProperties, `${path}.NAME`, found);
}

function visitObject(node: SchemaNode, path: string, found: Map<string, Found>): void {
  const { 'x-typescript': name, properties = {}, description = '' } = node;
  if (name === undefined) throw new Error(`the object at ${path} has no name`);
  const known = found.get(name);
  if (known === undefined) {
    found.set(name, { node, paths: [path], descriptions: new Set([description]) });
  } else {
    known.paths.push(path);
    known.descriptions.add(description);
  }
  for (const [key, child] of Object.entries(properties)) {
    visit(child, path === '' ? key : `${path}.${key}`, found);
  }
}

/** The first sentence of a text. */
export function firstSentence(text: string): string {
  return /^.*?[.](?= [A-Z`]|$)/.exec(text)?.[0] ?? text;
}

/** What holds where a key is absent, in words: `10000`, `none`; undefined: the object says it. */
export function defaultInWords(node: SchemaNode, isRequired: boolean): string | undefined {
  if (isRequired) return undefined;
  const { 'x-absent': words, default: value } = node;
  if (words !== undefined) return words;
  if (value === undefined) return isObject(node) ? undefined : 'none';
  if (!Array.isArray(value)) return value === '' ? 'empty' : String(value);
  return value.length === 0 ? 'none' : value.join(', ');
}

function isObject({ properties, oneOf }: SchemaNode): boolean {
  return properties !== undefined || oneOf !== undefined;
}

/** The values that are allowed: `1 to 64`, `100ms to 24h`, `1 to 32 items`; '': any. */
export function rangeInWords(node: SchemaNode): string {
  const { minimum, maximum, minLength, maxLength, pattern } = node;
  const quantity = node['x-duration'] ?? node['x-size'];
  if (quantity !== undefined) return `${quantity.min} to ${quantity.max}`;
  if (node.enum !== undefined) return '';
  const isNumber = ['integer', 'number'].includes(String(node.type));
  if (isNumber) return `${minimum} to ${maximum}`;
  if (node.type === 'array') return countInWords(node.minItems, node.maxItems, 'items');
  if (node.type === 'object' && node.properties === undefined) {
    return countInWords(node.minProperties, node.maxProperties, 'keys');
  }
  if (Array.isArray(node.type)) return rangeOfUnion(node);
  if (maxLength === undefined || (pattern !== undefined && minLength === undefined)) return '';
  return countInWords(minLength, maxLength, 'characters');
}

function rangeOfUnion({ type, items, minimum, maximum, minItems, maxItems }: SchemaNode): string {
  if (items !== undefined && type.includes('array'))
    return countInWords(minItems, maxItems, 'items');
  const isNumber = type.includes('integer') && minimum !== undefined;
  return isNumber ? `${minimum} to ${maximum}` : '';
}

function countInWords(min: number | undefined, max: number | undefined, unit: string): string {
  if (min === undefined || min === 0) return max === undefined ? '' : `at most ${max} ${unit}`;
  return max === undefined ? `at least ${min} ${unit}` : `${min} to ${max} ${unit}`;
}
