/**
 * ajv, set up once for how schemas are read here.
 *
 * Thread: any (pure). `ownProperties` keeps a name such as `constructor` from being found where no
 * body has it. Formats are asserted. A schema is checked strictly when the configuration is loaded,
 * so that a mistyped keyword is told; after that ajv takes it as the standard says.
 */
import { createRequire } from 'node:module';
import type { Ajv, ErrorObject, Options, ValidateFunction } from 'ajv';
import { linearPatterns } from './linear-pattern.js';
import { useLinearUniqueItems } from './unique-items.js';

// Loaded when there is a schema: it would take a tenth of the start of a gateway that has none.
const load = createRequire(import.meta.url);

/** What is longer is no `url` (a `uri` may have any length). */
const URL_CHARS_MAX = 2048;

/** Drafts of JSON Schema. */
export type SchemaDialect = '2020-12' | 'draft-07';

/** How values come: as JSON has them, or as texts that may stand for numbers and booleans. */
export type SchemaInput = 'json' | 'text';

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
    code: { regExp: linearPatterns, ...(input === 'text' && { process: readNumbersAsJson }) },
    logger: false,
  };
  const ajv = dialect === 'draft-07' ? newDraft07(settings) : newDraft2020(settings);
  if (assertsFormats) {
    const { default: addFormats } = load('ajv-formats') as typeof import('ajv-formats');
    addFormats.default(ajv);
    boundUrls(ajv);
  }
  useLinearUniqueItems(ajv);
  return ajv;
}

/** How ajv asks whether a text is a number: whether JavaScript reads one. */
const NUMBER_TEST = /\b(data\d+) == \+\1\b/g;
/** RFC 8259 section 6, and no more than a double holds. */
const JSON_NUMBER = '/^-?(?:0|[1-9]\\d*)(?:\\.\\d+)?(?:[eE][+-]?\\d+)?$/.test($1) && isFinite($1)';

/**
 * Puts the grammar of JSON in the place of JavaScript's in the code that ajv makes: "Infinity",
 * "0x10", " 5" and "1e400" are no numbers for whoever gets the request. ajv has no option for it.
 */
function readNumbersAsJson(code: string): string {
  return code.replace(NUMBER_TEST, JSON_NUMBER);
}

/** The pattern of ajv-formats takes time that grows with the square of what is before an `@`. */
function boundUrls(ajv: Ajv): void {
  const { url } = ajv.formats;
  if (!(url instanceof RegExp)) throw new Error('the format "url" is a regular expression');
  ajv.addFormat('url', (text: string) => text.length <= URL_CHARS_MAX && url.test(text));
}

function newDraft07(settings: Options): Ajv {
  const { Ajv } = load('ajv') as typeof import('ajv');
  return new Ajv(settings);
}

function newDraft2020(settings: Options): Ajv {
  const { Ajv2020 } = load('ajv/dist/2020.js') as typeof import('ajv/dist/2020.js');
  return new Ajv2020(settings);
}

/**
 * Judges values by a checked schema. It is compiled when the first value comes: a configuration
 * with a thousand schemas comes into force at once, and holds those in memory that are used.
 */
export class SchemaJudge {
  private validate: ValidateFunction | null = null;

  constructor(
    private readonly schema: unknown,
    private readonly dialect: SchemaDialect,
    private readonly input: SchemaInput,
  ) {}

  /** Empty: the value fits. */
  errorsOf(value: unknown): readonly ErrorObject[] {
    const { dialect, input, schema } = this;
    this.validate ??= createSchemaEngine(dialect, { input }).compile(schema as object);
    return this.validate(value) ? [] : (this.validate.errors ?? []);
  }
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

/** Routes often share a schema: what was found of the last ones, by dialect and text. */
const knownProblems = new Map<string, string | undefined>();
const KNOWN_PROBLEMS_MAX = 512;

/** What is wrong with a schema, if anything is. */
export function schemaProblem(schema: unknown, dialect: SchemaDialect): string | undefined {
  const isSchema = typeof schema === 'boolean' || (typeof schema === 'object' && schema !== null);
  if (!isSchema || Array.isArray(schema)) return 'a schema is an object, true or false';
  const key = `${dialect} ${JSON.stringify(schema)}`;
  if (knownProblems.has(key)) return knownProblems.get(key);
  const problem = findProblem(schema, key, dialect);
  if (knownProblems.size >= KNOWN_PROBLEMS_MAX) knownProblems.clear();
  knownProblems.set(key, problem);
  return problem;
}

/** Where a schema is not one by the meta-schema of its dialect. */
export function shapeErrorsOf(schema: unknown, dialect: SchemaDialect): readonly ErrorObject[] {
  const engine = metaEngineOf(dialect);
  const isSchema = typeof schema === 'boolean' || (typeof schema === 'object' && schema !== null);
  return isSchema && engine.validateSchema(schema) === true ? [] : (engine.errors ?? []);
}

function findProblem(
  schema: object | boolean,
  text: string,
  dialect: SchemaDialect,
): string | undefined {
  if (text.includes('"$dynamicRef"')) {
    return '$dynamicRef is not supported: ajv does not follow it as the standard says';
  }
  try {
    metaEngineOf(dialect).validateSchema(schema, true);
    createSchemaEngine(dialect, { isStrict: true }).compile(schema);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.replace(/^strict mode: /, '') : String(error);
  }
}
