/**
 * Says whether a value fits a node of the configuration's schema, and not why it does not.
 *
 * Thread: any (pure). The checker that the schema is compiled to says why, but its code is 1.4 MB:
 * a configuration without a mistake of shape has no need of it. This check never takes what that
 * one refuses; what it cannot tell at once it leaves to it.
 */
import { isObject } from '../base/json-object.js';
import { isDurationInRange, isSizeInRange } from './quantity-range.js';
import type { SchemaNode } from './schema-node.js';

/** What a node may say about values. The rest of its keys is for readers. */
export const CHECKED_KEYWORDS: readonly (keyof SchemaNode & string)[] = [
  ...(['type', 'enum', 'minimum', 'maximum', 'minLength', 'maxLength', 'pattern'] as const),
  ...(['minItems', 'maxItems', 'uniqueItems', 'items', 'properties', 'required'] as const),
  ...(['minProperties', 'maxProperties', 'propertyNames', 'additionalProperties'] as const),
  ...(['oneOf', 'discriminator', 'x-duration', 'x-size'] as const),
];

const patterns = new Map<string, RegExp>();

/** False: it does not fit, or only the compiled checker can tell. */
export function fitsNode(node: SchemaNode, value: unknown): boolean {
  if (!hasType(node.type, value)) return false;
  if (node.enum !== undefined && !node.enum.includes(value as string)) return false;
  if (typeof value === 'string') return fitsText(node, value);
  if (typeof value === 'number') return fitsNumber(node, value);
  if (Array.isArray(value)) return fitsList(node, value);
  if (isObject(value)) return fitsObject(node, value);
  return node.oneOf === undefined;
}

function hasType(type: SchemaNode['type'], value: unknown): boolean {
  return typeof type === 'string'
    ? isOfType(type, value)
    : type.some((one) => isOfType(one, value));
}

function isOfType(type: string, value: unknown): boolean {
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'number') return Number.isFinite(value);
  if (type === 'array') return Array.isArray(value);
  if (type === 'null') return value === null;
  if (type === 'object') return isObject(value);
  return (type === 'string' || type === 'boolean') && typeof value === type;
}

function fitsText(node: SchemaNode, text: string): boolean {
  const { minLength, maxLength, pattern } = node;
  // Characters beyond 16 bits are two units and count once: up to the bound units tell enough.
  if (minLength !== undefined && text.length < minLength * 2 && [...text].length < minLength) {
    return false;
  }
  if (maxLength !== undefined && text.length > maxLength) return false;
  if (pattern !== undefined && !patternOf(pattern).test(text)) return false;
  const duration = node['x-duration'];
  if (duration !== undefined && !isDurationInRange(duration, text)) return false;
  const size = node['x-size'];
  if (size !== undefined && !isSizeInRange(size, text)) return false;
  return node.oneOf === undefined;
}

function patternOf(source: string): RegExp {
  let pattern = patterns.get(source);
  if (pattern === undefined) {
    pattern = new RegExp(source, 'u');
    patterns.set(source, pattern);
  }
  return pattern;
}

function fitsNumber(node: SchemaNode, value: number): boolean {
  if (node.minimum !== undefined && value < node.minimum) return false;
  if (node.maximum !== undefined && value > node.maximum) return false;
  const size = node['x-size'];
  if (size !== undefined && !isSizeInRange(size, value)) return false;
  return node.oneOf === undefined;
}

function fitsList(node: SchemaNode, list: readonly unknown[]): boolean {
  if (list.length < (node.minItems ?? 0)) return false;
  if (list.length > (node.maxItems ?? list.length)) return false;
  const { items } = node;
  if (items !== undefined) {
    for (const item of list) {
      if (!fitsNode(items, item)) return false;
    }
  }
  // Last: what fits the items has an end, and nothing that contains itself is compared.
  if (node.uniqueItems === true && !hasOnlyDifferent(list)) return false;
  return node.oneOf === undefined;
}

/** Longer lists of objects are left to the compiled checker, since each is held against each. */
const COMPARED_OBJECTS_MAX = 64;

function hasOnlyDifferent(list: readonly unknown[]): boolean {
  if (!list.some((item) => typeof item === 'object')) return new Set(list).size === list.length;
  if (list.length > COMPARED_OBJECTS_MAX) return false;
  return list.every((item, at) => !list.slice(0, at).some((other) => isSame(item, other)));
}

function isSame(one: unknown, other: unknown): boolean {
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) {
    return one === other;
  }
  const keys = Object.keys(one);
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  if (keys.length !== Object.keys(other).length) return false;
  return keys.every(
    (key) => Object.hasOwn(other, key) && isSame(Reflect.get(one, key), Reflect.get(other, key)),
  );
}

function fitsObject(node: SchemaNode, value: object): boolean {
  if (!isPlain(value)) return false;
  for (const key of node.required ?? []) {
    if (!Object.hasOwn(value, key)) return false;
  }
  let count = 0;
  for (const key in value) {
    count += 1;
    if (!fitsMember(node, key, Reflect.get(value, key))) return false;
  }
  if (count < (node.minProperties ?? 0)) return false;
  if (count > (node.maxProperties ?? count)) return false;
  return node.oneOf === undefined || fitsOneOf(node, node.oneOf, value);
}

/** All that can be read from it is its own and is seen below: programs may give instances. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) return false;
  return Object.getOwnPropertyNames(value).length === Object.keys(value).length;
}

function fitsMember(node: SchemaNode, key: string, value: unknown): boolean {
  // Programs may leave keys undefined; what that means the compiled checker says.
  if (value === undefined) return false;
  const { properties, additionalProperties, propertyNames } = node;
  if (propertyNames !== undefined && !fitsNode(propertyNames, key)) return false;
  if (properties !== undefined && Object.hasOwn(properties, key)) {
    const property = properties[key];
    return property !== undefined && fitsNode(property, value);
  }
  if (additionalProperties === undefined) return true;
  return additionalProperties !== false && fitsNode(additionalProperties, value);
}

/** Of the branches one names the value of the key that tells them apart. */
function fitsOneOf(node: SchemaNode, branches: readonly SchemaNode[], value: object): boolean {
  const tag = node.discriminator?.propertyName;
  if (tag === undefined || !Object.hasOwn(value, tag)) return false;
  const name: unknown = Reflect.get(value, tag);
  const branch = branches.find(({ properties }) =>
    properties?.[tag]?.enum?.includes(name as string),
  );
  return branch !== undefined && fitsNode(branch, value);
}
