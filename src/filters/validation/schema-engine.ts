/**
 * ajv, set up once for how schemas are read here.
 *
 * Thread: any (pure). To compile a schema takes up to a second, so only who loads a configuration
 * does it: threads that serve get the code that came of it (schema-code.ts). `ownProperties` keeps
 * a name such as `constructor` from being found where no body has it. Formats are asserted. A
 * schema is checked strictly when the configuration is loaded, so that a mistyped keyword is told;
 * after that ajv takes it as the standard says.
 */
import { createRequire } from 'node:module';
import type { Ajv, AnySchema, ErrorObject, Options, ValidateFunction } from 'ajv';
import { linearPatterns } from './linear-pattern.js';
import { useDecimalMultipleOf } from './multiple-of.js';
import { type SchemaInput, writeSchemaCode } from './schema-code.js';
import { schemaFormats } from './schema-formats.js';
import { withTextChoices } from './text-choices.js';
import { useLinearUniqueItems } from './unique-items.js';

// Loaded when there is a schema: it would take a tenth of the start of a gateway that has none.
const load = createRequire(import.meta.url);

/** Drafts of JSON Schema. */
export type SchemaDialect = '2020-12' | 'draft-07';

export interface EngineOptions {
  readonly input?: SchemaInput;
  /** Unknown keywords and formats are errors. */
  readonly isStrict?: boolean;
  /** false: `format` says nothing about validity. */
  readonly assertsFormats?: boolean;
}

/** A new ajv of its own: schemas of two routes cannot meet. */
export function createSchemaEngine(dialect: SchemaDialect, options: EngineOptions = {}): Ajv {
  const { input = 'json', isStrict = false, assertsFormats = true } = options;
  const { _, str } = load('ajv') as typeof import('ajv');
  const settings: Options = {
    allErrors: true,
    ownProperties: true,
    strict: false,
    strictSchema: isStrict,
    // The meta-schema takes longer to compile than most schemas: see metaEngineOf().
    validateSchema: false,
    allowUnionTypes: true,
    validateFormats: assertsFormats,
    coerceTypes: input === 'text' ? 'array' : false,
    code: { regExp: linearPatterns, source: true, formats: _`own.formats` },
    logger: false,
  };
  const ajv = dialect === 'draft-07' ? newDraft07(settings) : newDraft2020(settings);
  if (assertsFormats) {
    const { default: addFormats } = load('ajv-formats') as typeof import('ajv-formats');
    addFormats.default(ajv);
    for (const [name, format] of Object.entries(schemaFormats())) ajv.addFormat(name, format);
  }
  useLinearUniqueItems(ajv, { _, str });
  useDecimalMultipleOf(ajv, { _, str });
  return ajv;
}

function newDraft07(settings: Options): Ajv {
  const { Ajv } = load('ajv') as typeof import('ajv');
  return new Ajv(settings);
}

function newDraft2020(settings: Options): Ajv {
  const { Ajv2020 } = load('ajv/dist/2020.js') as typeof import('ajv/dist/2020.js');
  return new Ajv2020(settings);
}

let formats: ReadonlySet<string> | undefined;

/** Whether `format` with this value is asserted. */
export function isKnownFormat(format: unknown): boolean {
  formats ??= new Set(Object.keys(createSchemaEngine('draft-07').formats));
  return typeof format === 'string' && formats.has(format);
}

/** Checks schemas against the meta-schema of their dialect; each is compiled once. */
const metaEngines = new Map<SchemaDialect, Ajv>();

function metaEngineOf(dialect: SchemaDialect): Ajv {
  const known = metaEngines.get(dialect);
  if (known !== undefined) return known;
  const settings: Options = { strict: false, logger: false };
  const engine = dialect === 'draft-07' ? newDraft07(settings) : newDraft2020(settings);
  metaEngines.set(dialect, engine);
  return engine;
}

/** What came of a schema: its code, or what is wrong with it. */
type Compiled = { readonly code: string } | { readonly problem: string };

/** Routes often share a schema: what came of the last ones, by dialect, input and text. */
const known = new Map<string, Compiled>();
let knownChars = 0;
const KNOWN_CHARS_MAX = 2 ** 25;

/** What is wrong with a schema, if anything is. */
export function schemaProblem(
  schema: unknown,
  dialect: SchemaDialect,
  input: SchemaInput = 'json',
): string | undefined {
  const isSchema = typeof schema === 'boolean' || (typeof schema === 'object' && schema !== null);
  if (!isSchema || Array.isArray(schema)) return 'a schema is an object, true or false';
  const compiled = compileOnce(schema, dialect, input);
  return 'problem' in compiled ? compiled.problem : undefined;
}

/** Where a schema is not one by the meta-schema of its dialect. */
export function shapeErrorsOf(schema: unknown, dialect: SchemaDialect): readonly ErrorObject[] {
  const engine = metaEngineOf(dialect);
  const isSchema = typeof schema === 'boolean' || (typeof schema === 'object' && schema !== null);
  return isSchema && engine.validateSchema(schema) === true ? [] : (engine.errors ?? []);
}

/** The code of a schema, for evaluateSchema(). Throws where the schema is none. */
export function schemaCode(schema: unknown, dialect: SchemaDialect, input: SchemaInput): string {
  const strict = compileOnce(schema as object | boolean, dialect, input);
  if ('code' in strict) return strict.code;
  // Documents of others hold keywords that do nothing: not to be told here.
  const compiled = compileSchema(schema as object | boolean, dialect, { input });
  if ('problem' in compiled) throw new Error(`a schema cannot be used: ${compiled.problem}`);
  return compiled.code;
}

/** Gives back the memory of what is known, once a configuration has been compiled. */
export function forgetSchemas(): void {
  known.clear();
  knownChars = 0;
}

function compileOnce(
  schema: object | boolean,
  dialect: SchemaDialect,
  input: SchemaInput,
): Compiled {
  const key = `${dialect} ${input} ${JSON.stringify(schema)}`;
  const before = known.get(key);
  if (before !== undefined) return before;
  const compiled = compileSchema(schema, dialect, { input, isStrict: true });
  if (knownChars > KNOWN_CHARS_MAX) forgetSchemas();
  known.set(key, compiled);
  knownChars += key.length + ('code' in compiled ? compiled.code.length : 0);
  return compiled;
}

function compileSchema(
  schema: object | boolean,
  dialect: SchemaDialect,
  options: EngineOptions & { readonly input: SchemaInput },
): Compiled {
  if (JSON.stringify(schema).includes('"$dynamicRef"')) {
    return {
      problem: '$dynamicRef is not supported: ajv does not follow it as the standard says',
    };
  }
  if (typeof schema === 'object' && Object.hasOwn(schema, '$async')) {
    return { problem: '$async is not supported: it would be no verdict but a promise of one' };
  }
  try {
    metaEngineOf(dialect).validateSchema(schema, true);
    const engine = createSchemaEngine(dialect, options);
    const judged = options.input === 'text' ? withTextChoices(schema) : schema;
    return { code: codeOf(engine, engine.compile(judged as AnySchema), options.input) };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { problem: text.replace(/^strict mode: /, '') };
  }
}

/** The code of what `engine` has compiled. */
export function codeOf(engine: Ajv, validate: ValidateFunction, input: SchemaInput): string {
  const { default: standalone } = load(
    'ajv/dist/standalone',
  ) as typeof import('ajv/dist/standalone/index.js');
  return writeSchemaCode(standalone(engine, validate), input);
}
