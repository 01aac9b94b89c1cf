/**
 * Options of validation.
 *
 * Thread: any (pure). JSON Schema draft-07 and 2020-12, checked by ajv, which is loaded when the
 * first schema is checked.
 */
import { defined } from '../../base/assert.js';
import { sizeBytes } from '../../base/quantities.js';
import type { SoundPart } from '../../schema/finding.js';
import {
  integerNode,
  JSON_VALUE,
  listNode,
  objectNode,
  type SchemaNode,
  sizeNode,
  stringNode,
  type TypeOf,
  textNode,
} from '../../schema/schema-node.js';
import { textShape } from '../../schema/text-shapes.js';
import { isJsonType } from '../collected-body.js';
import {
  type CheckPlace,
  type CompileContext,
  filterOptions,
  type ReadDocument,
} from '../filter-options.js';
import { FORM_TYPE } from '../form-text.js';
import type { SchemaInput } from './schema-code.js';
import { type SchemaDialect, schemaProblem } from './schema-engine.js';

const DEFAULTS = {
  dialect: '2020-12',
  maxBodyBytes: '256KiB',
  maxDepth: 32,
  maxMembers: 10_000,
} as const;

const JSON_TYPES = ['application/json', 'application/*+json'];

/** Keys whose values are schemas, or names of files with one. */
const SCHEMA_KEYS = ['body', 'query', 'params', 'headers'] as const;

const MEDIA_RANGE_TEXT = textShape(
  '^[a-zA-Z0-9.+*-]{1,100}/[a-zA-Z0-9.+*-]{1,100}$',
  'a media type without parameters (written application/json, image/*)',
);

type SchemaConfig = Readonly<Record<string, unknown>> | boolean | string;

function schemaNode(description: string): SchemaNode<SchemaConfig> {
  return {
    'x-typescript': 'SchemaConfig = Readonly<Record<string, unknown>> | boolean | string',
    'x-absent': 'not looked at',
    type: ['object', 'boolean', 'string'],
    description:
      `${description} A JSON Schema, true or false, or the name of a file (JSON or YAML) that ` +
      'holds one.',
    minLength: 1,
    maxLength: 1024,
    additionalProperties: JSON_VALUE,
  };
}

const VALIDATION_NODE = objectNode(
  'ValidationConfig',
  'What requests must look like. Others are refused with 400 and a list of violations.',
  {
    dialect: stringNode('Draft of JSON Schema of all schemas here.', {
      'x-typescript': 'SchemaDialect',
      default: DEFAULTS.dialect,
      enum: ['2020-12', 'draft-07'],
    }),
    body: schemaNode('Of the body, which must be there.'),
    contentTypes: listNode(
      'Media types that a body may have; `*` stands for a part. Others are refused with 415.',
      textNode(MEDIA_RANGE_TEXT),
      {
        'x-absent': 'with `body` `application/json` and `application/*+json`, else any',
        minItems: 1,
        maxItems: 32,
        uniqueItems: true,
      },
    ),
    query: schemaNode(
      'Of the query, as an object of its parameters. Texts are taken for numbers (as JSON writes ' +
        'them) and booleans where the schema wants them; a parameter that comes twice is a list.',
    ),
    params: schemaNode("Of the path's parameters, as for `query`."),
    headers: schemaNode('Of the header fields, names in lower case, as for `query`.'),
    maxBodyBytes: sizeNode(
      'Largest body, at most `limits.bodyBytes`. A larger one is refused with 413.',
      ['1KiB', '16MiB'],
      { default: DEFAULTS.maxBodyBytes },
    ),
    maxDepth: integerNode('Objects and lists of the body inside one another.', [1, 256], {
      default: DEFAULTS.maxDepth,
    }),
    maxMembers: integerNode('Members and items of the body in all.', [1, 1_000_000], {
      default: DEFAULTS.maxMembers,
    }),
  },
);

type ValidationConfig = TypeOf<typeof VALIDATION_NODE>;

/** A body of one media type. */
export interface CompiledContent {
  /** Lower case; `*` may stand for a type, a subtype, or what is before a suffix. */
  readonly mediaType: string;
  /** null: any body of that type. */
  readonly schema: unknown;
  /** Of a form: members that are no plain texts. */
  readonly styles?: readonly ParameterStyle[];
}

/** How a parameter is written that is no plain text. */
export interface ParameterStyle {
  /** As the schema of its part has it. */
  readonly name: string;
  /** `text`: a plain text behind the mark of its style. */
  readonly kind: 'list' | 'object' | 'json' | 'text';
  readonly style:
    | 'form'
    | 'simple'
    | 'label'
    | 'matrix'
    | 'spaceDelimited'
    | 'pipeDelimited'
    | 'deepObject';
  readonly isExploded: boolean;
  /** A plain text may stand in its place. */
  readonly isMixed: boolean;
  /** Of an object whose members stand for themselves: their names. */
  readonly properties: readonly string[];
  /** Of `json`: what the value must be like. */
  readonly schema?: unknown;
}

/** Parts of a request with parameters. */
export type ParameterPart = 'query' | 'params' | 'headers' | 'cookies';

export interface CompiledValidation {
  readonly dialect: SchemaDialect;
  /** null: bodies go on as they come. */
  readonly contents: readonly CompiledContent[] | null;
  readonly isBodyRequired: boolean;
  /** undefined: not looked at. */
  readonly query?: unknown;
  readonly params?: unknown;
  readonly headers?: unknown;
  readonly cookies?: unknown;
  /** Parameters that are no plain texts. */
  readonly styles?: Partial<Readonly<Record<ParameterPart, readonly ParameterStyle[]>>>;
  readonly maxBodyBytes: number;
  readonly maxDepth: number;
  readonly maxMembers: number;
}

/** As threads have it, schemas are places in the list of their code. */
export interface SharedValidation extends CompiledValidation {
  readonly contents: readonly SharedContent[] | null;
  readonly query?: number;
  readonly params?: number;
  readonly headers?: number;
  readonly cookies?: number;
  readonly styles?: Partial<Readonly<Record<ParameterPart, readonly SharedStyle[]>>>;
}

export interface SharedContent extends CompiledContent {
  readonly schema: number | null;
  readonly styles?: readonly SharedStyle[];
}

export interface SharedStyle extends ParameterStyle {
  /** Of `json`, and of nothing else. */
  readonly schema?: number;
}

/** Bodies of this type are texts by name; all others that are looked into are JSON. */
export function isFormType(mediaType: string): boolean {
  return mediaType === FORM_TYPE;
}

/** Whether the gateway can look into bodies of this type; `*` may stand for a part of the type. */
function isReadableType(mediaType: string): boolean {
  return isFormType(mediaType) || isJsonType(mediaType.replaceAll('*', 'x'));
}

type PlaceOf = (schema: unknown, dialect: SchemaDialect, input: SchemaInput) => number;

/** `placeOf`: where the code of a schema stands. */
export function shareValidation(
  { contents, styles, query, params, headers, cookies, ...rest }: CompiledValidation,
  placeOf: PlaceOf,
): SharedValidation {
  const { dialect } = rest;
  const place = (schema: unknown): number => placeOf(schema, dialect, 'text');
  const styled = (list: readonly ParameterStyle[]): SharedStyle[] =>
    shareStyles(list, dialect, placeOf);
  return {
    ...rest,
    contents: contents?.map((content) => shareContent(content, dialect, placeOf)) ?? null,
    ...(styles !== undefined && {
      styles: Object.fromEntries(
        Object.entries(styles).map(([part, list]) => [part, styled(list)]),
      ),
    }),
    ...(query !== undefined && { query: place(query) }),
    ...(params !== undefined && { params: place(params) }),
    ...(headers !== undefined && { headers: place(headers) }),
    ...(cookies !== undefined && { cookies: place(cookies) }),
  };
}

function shareContent(
  { mediaType, schema, styles }: CompiledContent,
  dialect: SchemaDialect,
  placeOf: PlaceOf,
): SharedContent {
  const isJudged = schema !== null && isReadableType(mediaType);
  const input = isFormType(mediaType) ? 'text' : 'json';
  return {
    mediaType,
    schema: isJudged ? placeOf(schema, dialect, input) : null,
    ...(styles !== undefined && { styles: shareStyles(styles, dialect, placeOf) }),
  };
}

/** JSON inside of parameters keeps its types: no text in it stands for a number. */
function shareStyles(
  styles: readonly ParameterStyle[],
  dialect: SchemaDialect,
  placeOf: PlaceOf,
): SharedStyle[] {
  return styles.map(({ schema, ...style }) =>
    style.kind === 'json' ? { ...style, schema: placeOf(schema ?? true, dialect, 'json') } : style,
  );
}

type BodyBounds = Pick<CompiledValidation, 'maxBodyBytes' | 'maxDepth' | 'maxMembers'>;

export const VALIDATION = filterOptions({
  name: 'validation',
  route: { validation: VALIDATION_NODE },
  gateway: {},
  places: ['edit', 'requestBody'],
  check: ({ validation = {} }, place) => checkValidation(validation, place),
  compile: ({ validation }, context) =>
    validation === undefined ? null : compileValidation(validation, context),
});

/** Checks that every schema can be read and compiled. */
function checkValidation(
  config: SoundPart<ValidationConfig>,
  { pointer, findings, readDocument }: CheckPlace,
): void {
  for (const key of SCHEMA_KEYS) {
    const at = `${pointer}/validation/${key}`;
    let schema: unknown = config[key];
    if (schema === undefined || findings.hasUnder(at)) continue;
    if (typeof schema === 'string') {
      const document = readDocument(schema);
      if (!document.isValid) {
        findings.addValue(at, document.problem);
        continue;
      }
      schema = document.value;
    }
    if (key === 'headers') schema = lowerCaseMembers(schema);
    const input = key === 'body' ? 'json' : 'text';
    const problem = schemaProblem(schema, config.dialect ?? DEFAULTS.dialect, input);
    if (problem !== undefined) findings.addValue(at, `is no schema that can be used: ${problem}`);
  }
}

/** Fills in defaults and reads files. */
function compileValidation(config: ValidationConfig, context: CompileContext): CompiledValidation {
  const { body, query, params, headers } = config;
  const schemaOf = (schema: SchemaConfig): unknown => readSchema(schema, context.readDocument);
  return {
    dialect: config.dialect ?? DEFAULTS.dialect,
    contents: compileContents(config, body === undefined ? null : schemaOf(body)),
    isBodyRequired: body !== undefined,
    ...(query !== undefined && { query: schemaOf(query) }),
    ...(params !== undefined && { params: schemaOf(params) }),
    ...(headers !== undefined && { headers: lowerCaseMembers(schemaOf(headers)) }),
    ...compileBodyBounds(config, context),
  };
}

/** Bounds of bodies, whatever describes their shape. */
export function compileBodyBounds(
  config: ValidationConfig,
  { bodyBytes }: Pick<CompileContext, 'bodyBytes'>,
): BodyBounds {
  return {
    maxBodyBytes: Math.min(sizeBytes(config.maxBodyBytes ?? DEFAULTS.maxBodyBytes), bodyBytes),
    maxDepth: config.maxDepth ?? DEFAULTS.maxDepth,
    maxMembers: config.maxMembers ?? DEFAULTS.maxMembers,
  };
}

function compileContents(
  { body, contentTypes }: ValidationConfig,
  schema: unknown,
): CompiledContent[] | null {
  if (body === undefined && contentTypes === undefined) return null;
  return (contentTypes ?? JSON_TYPES).map((mediaType) => {
    return { mediaType: mediaType.toLowerCase(), schema };
  });
}

/** Names of fields are in lower case by the time that a schema sees them. */
function lowerCaseMembers(schema: unknown): unknown {
  if (typeof schema !== 'object' || schema === null) return schema;
  const { properties, required, ...rest } = schema as Record<string, unknown>;
  return {
    ...rest,
    ...(typeof properties === 'object' &&
      properties !== null && {
        properties: Object.fromEntries(
          Object.entries(properties).map(([name, value]) => [name.toLowerCase(), value]),
        ),
      }),
    ...(Array.isArray(required) && {
      required: required.map((name) => String(name).toLowerCase()),
    }),
  };
}

function readSchema(config: SchemaConfig, readDocument: ReadDocument): unknown {
  if (typeof config !== 'string') return config;
  const document = readDocument(config);
  return defined(document.isValid ? document.value : undefined, 'a checked file');
}
