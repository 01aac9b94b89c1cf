/**
 * Building blocks of the configuration's JSON Schema.
 *
 * Thread: any (pure). The builders tie every object of the schema to its documented type: a key
 * that one has and the other lacks does not compile.
 */
import { DURATION_PATTERN, SIZE_PATTERN } from './quantities.js';

/** The part of JSON Schema (draft 2020-12) that the configuration uses. */
export interface SchemaNode {
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
  /** A secret: its value is never shown. */
  readonly writeOnly?: boolean;
  /** Bounds of a duration, which JSON Schema itself has no word for. */
  readonly 'x-duration'?: QuantityRange;
  /** Bounds of a size, likewise. */
  readonly 'x-size'?: QuantityRange;
}

/** Both ends belong to the range. */
export interface QuantityRange {
  readonly min: string;
  readonly max: string;
}

/** What goes into a leaf besides its type. */
type LeafDetails = Omit<SchemaNode, 'type'>;

type RequiredKey<T> = {
  [K in keyof T]-?: Record<never, never> extends Pick<T, K> ? never : K;
}[keyof T];

/** One schema for each key of T: no more, no less. */
type PropertiesOf<T> = { readonly [K in keyof Required<T>]: SchemaNode };

/** A name that other parts of the configuration refer to, and that counters carry. */
export const REFERENCE_NAME: SchemaNode = {
  type: 'string',
  pattern: '^[A-Za-z][A-Za-z0-9_-]{0,63}$',
};

export const ROUTE_NAME_PATTERN = '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$';
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}";
export const HEADER_NAME_PATTERN = `^${TOKEN}$`;
export const HEADER_VALUE_PATTERN = '^([!-~]([ -~]*[!-~])?)?$';
export const LIMITER_KEY_PATTERN = `^(clientIp|consumer|route|header:${TOKEN})$`;
export const RETRY_CONDITION_PATTERN = '^(connectFailure|reset|timeout|gatewayError)$';
export const FAILURE_KIND_PATTERN = '^(connectFailure|timeout|reset|5xx)$';
export const ALL_PATTERN = '^all$';
export const HASH_SOURCE_PATTERN = `^(clientIp|path|(header|cookie):${TOKEN})$`;
export const STATUS_RANGE_PATTERN = '^[1-5][0-9]{2}(-[1-5][0-9]{2})?$';
export const BEARER_TOKEN_PATTERN = '^[!-~]+$';
export const CHECK_PATH_PATTERN = '^/[!-~]{0,1023}$';
export const CHECK_HOST_PATTERN = '^[!-~]{1,255}$';
export const HOST_PATTERN = '^[0-9A-Za-z]([0-9A-Za-z.-]{0,251}[0-9A-Za-z])?$|^[0-9A-Fa-f:.]{2,45}$';

/** What a pattern means to a person. */
export const MEANING_BY_PATTERN: Readonly<Record<string, string>> = {
  [REFERENCE_NAME.pattern ?? '']: 'a name of letters, digits, _ and -, beginning with a letter',
  [ROUTE_NAME_PATTERN]:
    'a name of letters, digits, ".", "_" and "-", beginning with a letter or a digit',
  [HEADER_NAME_PATTERN]: 'the name of a header field',
  [HEADER_VALUE_PATTERN]: 'printable ASCII without blanks at the ends',
  [LIMITER_KEY_PATTERN]: 'one of "clientIp", "consumer", "route", "header:NAME"',
  [RETRY_CONDITION_PATTERN]:
    'one of "connectFailure", "reset", "timeout", "gatewayError", or a status from 400 to 599',
  [FAILURE_KIND_PATTERN]:
    'one of "connectFailure", "timeout", "reset", "5xx", or a status from 400 to 599',
  [ALL_PATTERN]: 'an integer from 2 to 10, or "all"',
  [HASH_SOURCE_PATTERN]: 'one of "clientIp", "path", "header:NAME", "cookie:NAME"',
  [STATUS_RANGE_PATTERN]: 'a status or a range of them (written 200, 200-299)',
  [BEARER_TOKEN_PATTERN]: 'printable ASCII without blanks',
  [CHECK_PATH_PATTERN]: 'a path that begins with /',
  [CHECK_HOST_PATTERN]: 'a host name, with or without a port',
  [HOST_PATTERN]: 'a host name or an IP address (IPv6 without brackets)',
};

/** An object with exactly these keys. */
export function objectNode<T>(
  description: string,
  properties: PropertiesOf<T>,
  ...required: readonly (RequiredKey<T> & string)[]
): SchemaNode {
  const base = { type: 'object', description, properties, additionalProperties: false } as const;
  return required.length === 0 ? base : { ...base, required };
}

/** An object whose keys the user names. */
export function mapNode(
  description: string,
  value: SchemaNode,
  names: Omit<SchemaNode, 'additionalProperties' | 'description'>,
): SchemaNode {
  return { description, ...names, additionalProperties: value };
}

export function listNode(description: string, items: SchemaNode, range: LeafDetails): SchemaNode {
  return { type: 'array', description, items, ...range };
}

export function stringNode(description: string, details: LeafDetails = {}): SchemaNode {
  return { type: 'string', description, ...details };
}

export function integerNode(
  description: string,
  [minimum, maximum]: readonly [number, number],
  details: LeafDetails = {},
): SchemaNode {
  return { type: 'integer', description, minimum, maximum, ...details };
}

export function booleanNode(description: string, byDefault: boolean): SchemaNode {
  return { type: 'boolean', description, default: byDefault };
}

export function durationNode(
  description: string,
  [min, max]: readonly [string, string],
  details: LeafDetails = {},
): SchemaNode {
  const range = { min, max };
  return {
    type: 'string',
    description,
    pattern: DURATION_PATTERN,
    'x-duration': range,
    ...details,
  };
}

export function sizeNode(
  description: string,
  [min, max]: readonly [string, string],
  byDefault: string,
): SchemaNode {
  return {
    type: ['string', 'integer'],
    description,
    default: byDefault,
    pattern: SIZE_PATTERN,
    'x-size': { min, max },
  };
}
