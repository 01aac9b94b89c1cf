/**
 * Building blocks of the configuration's JSON Schema.
 *
 * Thread: any (pure). The builders know which TypeScript type a value has that fits their node:
 * whoever reads such a value says `TypeOf<typeof NODE>`, and a key that the schema lacks does not
 * compile. The documented types, and the reference for users, are generated from the same nodes.
 */
import {
  type ByteSize,
  DURATION_PATTERN,
  type Duration,
  SIZE_PATTERN,
} from '../base/quantities.js';

/** Names the property that carries the type of a node. No object ever has it. */
export declare const VALUE: unique symbol;

/** The part of JSON Schema (draft 2020-12) that the configuration uses; T: what fits it. */
export interface SchemaNode<out T = unknown> {
  readonly [VALUE]?: T;
  readonly $schema?: string;
  readonly title?: string;
  readonly description?: string;
  readonly type: string | readonly string[];
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly items?: SchemaNode;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly propertyNames?: SchemaNode;
  readonly additionalProperties?: false | SchemaNode;
  /** Exactly one of these fits: the one that `discriminator` names. */
  readonly oneOf?: readonly SchemaNode[];
  /** The property that says which one is meant (OpenAPI 3.1, 4.8.25). */
  readonly discriminator?: { readonly propertyName: string };
  /** A secret: its value is never shown. */
  readonly writeOnly?: boolean;
  /** Bounds of a duration, which JSON Schema itself has no word for. */
  readonly 'x-duration'?: QuantityRange;
  /** Bounds of a size, likewise. */
  readonly 'x-size'?: QuantityRange;
  /** What holds where the key is absent and a value cannot say it: `the port of the target`. */
  readonly 'x-absent'?: string;
  /** What `pattern` means to a person, after "it must be". */
  readonly 'x-meaning'?: string;
  /** The name of the documented type, or `Name = definition` where the node does not say it. */
  readonly 'x-typescript'?: string;
}

/** The type of the values that fit a node. */
export type TypeOf<N> = N extends SchemaNode<infer T> ? T : never;

/** Both ends belong to the range. */
export interface QuantityRange {
  readonly min: string;
  readonly max: string;
}

/** What a text looks like. */
export interface TextShape<out T extends string = string> {
  readonly [VALUE]?: T;
  readonly pattern: string;
  readonly 'x-meaning': string;
  readonly 'x-typescript'?: string;
}

/** What goes into a leaf besides its type. */
type LeafDetails = Omit<SchemaNode, 'type' | 'default' | typeof VALUE>;

interface Details<T> extends LeafDetails {
  readonly default?: T;
}

interface StringDetails<T extends string> extends LeafDetails {
  readonly [VALUE]?: T;
  readonly enum?: readonly T[];
  readonly default?: NoInfer<T>;
}

type Nodes = Readonly<Record<string, SchemaNode>>;

/** An object with these keys, of which those of R must be there. */
type ObjectOf<P extends Nodes, R extends keyof P> = Flat<
  { readonly [K in R]: TypeOf<P[K]> } & { readonly [K in Exclude<keyof P, R>]?: TypeOf<P[K]> }
>;

type Flat<T> = { [K in keyof T]: T[K] };

/** The same node, which says more: another description, narrower bounds. */
export function refined<T>(node: SchemaNode<T>, details: LeafDetails): SchemaNode<T> {
  return { ...node, ...details };
}

/** JSON of any type. */
export const JSON_VALUE: SchemaNode<unknown> = {
  type: ['object', 'array', 'string', 'number', 'boolean', 'null'],
  description: 'Any value.',
};

/** An object with exactly these keys. `name`: of the documented type. */
export function objectNode<P extends Nodes, R extends keyof P & string = never>(
  name: string,
  description: string,
  properties: P,
  ...required: readonly R[]
): SchemaNode<ObjectOf<P, R>> {
  const base = { type: 'object', 'x-typescript': name, description } as const;
  const members = { properties, additionalProperties: false } as const;
  return { ...base, ...members, ...(required.length > 0 && { required }) };
}

/** One of several objects, told apart by a key that each of them has with another value. */
export function unionNode<N extends SchemaNode>(
  name: string,
  description: string,
  propertyName: string,
  oneOf: readonly N[],
): SchemaNode<TypeOf<N>> {
  const discriminator = { propertyName };
  return { type: 'object', 'x-typescript': name, description, discriminator, oneOf };
}

/** An object whose keys the user names. */
export function mapNode<T>(
  description: string,
  value: SchemaNode<T>,
  names: Omit<SchemaNode, 'type' | 'additionalProperties' | 'description' | typeof VALUE>,
): SchemaNode<Readonly<Record<string, T>>> {
  return { type: 'object', description, ...names, additionalProperties: value };
}

export function listNode<T>(
  description: string,
  items: SchemaNode<T>,
  range: Details<readonly NoInfer<T>[]>,
): SchemaNode<readonly T[]> {
  return { type: 'array', description, items, ...range };
}

/** One thing, or a list of such things. */
export function oneOrListNode<T>(
  description: string,
  one: SchemaNode<T>,
  range: Details<NoInfer<T>>,
): SchemaNode<T | readonly T[]> {
  return { ...one, type: [one.type, 'array'].flat(), description, items: one, ...range };
}

/** A list, or an object that says how such a list is found. */
export function listOrObjectNode<T, U>(
  description: string,
  items: SchemaNode<T>,
  other: SchemaNode<U>,
  range: Details<readonly NoInfer<T>[]>,
): SchemaNode<readonly T[] | U> {
  return { ...other, type: ['array', other.type].flat(), description, items, ...range };
}

/** A switch, or an object that says more. */
export function switchNode<T>(
  description: string,
  more: SchemaNode<T>,
  details: Details<boolean> = {},
): SchemaNode<boolean | T> {
  return { ...more, type: ['boolean', 'object'], description, ...details };
}

/** A text, or an object that says more. */
export function textOrNode<T>(
  description: string,
  more: SchemaNode<T>,
  details: LeafDetails = {},
): SchemaNode<string | T> {
  return { ...more, type: ['string', 'object'], description, ...details };
}

/** An integer, or an object that says more. */
export function integerOrObjectNode<T>(
  description: string,
  [minimum, maximum]: readonly [number, number],
  more: SchemaNode<T>,
  details: Details<number> = {},
): SchemaNode<number | T> {
  return { ...more, type: ['integer', 'object'], description, minimum, maximum, ...details };
}

/** A text, or an object that says more. */
export function textOrObjectNode<T>(
  description: string,
  more: SchemaNode<T>,
  details: Details<string> = {},
): SchemaNode<string | T> {
  return { ...more, type: ['string', 'object'], description, ...details };
}

export function stringNode<const T extends string = string>(
  description: string,
  details: StringDetails<T> = {},
): SchemaNode<T> {
  return { type: 'string', description, ...details };
}

/** A text of some shape without a description: an item of a list, a name or a value of a map. */
export function textNode<T extends string>(shape: TextShape<T>): SchemaNode<T> {
  return { type: 'string', ...shape };
}

/** A text of `min` to `max` characters without a description. */
export function lengthNode(min: number, max: number): SchemaNode<string> {
  return { type: 'string', minLength: min, maxLength: max };
}

export function integerNode(
  description: string,
  [minimum, maximum]: readonly [number, number],
  details: Details<number> = {},
): SchemaNode<number> {
  return { type: 'integer', description, minimum, maximum, ...details };
}

/** A number with or without a fraction. */
export function numberNode(
  description: string,
  [minimum, maximum]: readonly [number, number],
  details: Details<number> = {},
): SchemaNode<number> {
  return { type: 'number', description, minimum, maximum, ...details };
}

/** An integer, or a text of some shape. */
export function integerOrTextNode<T extends string>(
  [minimum, maximum]: readonly [number, number],
  shape: TextShape<T>,
  details: Details<number | NoInfer<T>> = {},
): SchemaNode<number | T> {
  return { type: ['string', 'integer'], ...shape, minimum, maximum, ...details };
}

export function booleanNode(
  description: string,
  byDefault: boolean | undefined,
  details: LeafDetails = {},
): SchemaNode<boolean> {
  const given = byDefault === undefined ? {} : { default: byDefault };
  return { type: 'boolean', description, ...given, ...details };
}

export function durationNode(
  description: string,
  [min, max]: readonly [Duration, Duration],
  details: Details<Duration> = {},
): SchemaNode<Duration> {
  return {
    type: 'string',
    description,
    pattern: DURATION_PATTERN,
    'x-duration': { min, max },
    ...details,
  };
}

export function sizeNode(
  description: string,
  [min, max]: readonly [string, string],
  details: Details<ByteSize> = {},
): SchemaNode<ByteSize> {
  return {
    type: ['string', 'integer'],
    description,
    pattern: SIZE_PATTERN,
    'x-size': { min, max },
    ...details,
  };
}
