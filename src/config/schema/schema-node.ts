/**
 * Building blocks of the configuration's JSON Schema.
 *
 * Thread: any (pure). The builders tie every object of the schema to its documented type: a key
 * that one has and the other lacks does not compile.
 */
import { DURATION_PATTERN, SIZE_PATTERN } from '../../base/quantities.js';

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
/** Longest path pattern; request targets themselves are bounded by limits.headerBytes. */
export const PATH_LENGTH_MAX = 1024;
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
export const CLAIM_NAME_PATTERN = '^[!-~]{1,256}$';
export const SCOPE_PATTERN = '^[!#-[\\]-~]{1,100}$';
export const SHA256_PATTERN = '^[0-9A-Fa-f]{64}$';
export const TEXT_TYPE_PATTERN = '^[a-z0-9]+/[a-z0-9.+-]+( *; *[a-z]+=[A-Za-z0-9._-]+)?$';
export const MEDIA_RANGE_PATTERN = '^[a-zA-Z0-9.+*-]{1,100}/[a-zA-Z0-9.+*-]{1,100}$';
export const VERSION_PATTERN = '^[A-Za-z0-9]([A-Za-z0-9._-]{0,30}[A-Za-z0-9])?$';
export const DATE_PATTERN = '^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:]{5,8}(Z|[+-][0-9:]{5})?)?$';
export const LINK_PATTERN = '^https?://[!-~]{1,1000}$';
export const PARAMETER_NAME_PATTERN = "^[!-%'-:<>-~]{1,128}$";
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
  [CLAIM_NAME_PATTERN]: 'the name of a claim: 1 to 256 printable ASCII characters',
  [SCOPE_PATTERN]:
    'a scope: 1 to 100 printable ASCII characters without blank, quote and backslash',
  [SHA256_PATTERN]: 'a SHA-256 hash in hexadecimal, 64 digits',
  [BEARER_TOKEN_PATTERN]: 'printable ASCII without blanks',
  [CHECK_PATH_PATTERN]: 'a path that begins with /',
  [CHECK_HOST_PATTERN]: 'a host name, with or without a port',
  [TEXT_TYPE_PATTERN]: 'a media type (written text/plain; charset=utf-8)',
  [MEDIA_RANGE_PATTERN]: 'a media type without parameters (written application/json, image/*)',
  [VERSION_PATTERN]: 'a version of letters, digits, ".", "_" and "-" (written "1" or "2024-10")',
  [DATE_PATTERN]: 'a date (written 2026-06-30 or 2026-06-30T12:00:00Z)',
  [LINK_PATTERN]: 'an http or https URL',
  [PARAMETER_NAME_PATTERN]: 'the name of a query parameter',
  [HOST_PATTERN]: 'a host name or an IP address (IPv6 without brackets)',
};

/** JSON of any type. */
export const JSON_VALUE: SchemaNode = {
  type: ['object', 'array', 'string', 'number', 'boolean', 'null'],
  description: 'Any value.',
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

/** One of several objects, told apart by a key that each of them has with another value. */
export function unionNode(
  description: string,
  propertyName: string,
  oneOf: readonly SchemaNode[],
): SchemaNode {
  const discriminator = { propertyName };
  return { type: 'object', description, discriminator, oneOf };
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

/** A number with or without a fraction. */
export function numberNode(
  description: string,
  [minimum, maximum]: readonly [number, number],
  details: LeafDetails = {},
): SchemaNode {
  return { type: 'number', description, minimum, maximum, ...details };
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
  byDefault?: string | number,
): SchemaNode {
  return {
    type: ['string', 'integer'],
    description,
    ...(byDefault === undefined ? {} : { default: byDefault }),
    pattern: SIZE_PATTERN,
    'x-size': { min, max },
  };
}
