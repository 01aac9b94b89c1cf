/**
 * Schemas as code: what ajv writes where the configuration is loaded, and how threads run it.
 *
 * Thread: any (pure). To evaluate the code of a schema takes a tenth of the time that it took to
 * compile it, or less: under a millisecond for most. `evaluateSchema` is the only place that
 * evaluates a text. The text comes from our own loader through shared memory: what a schema says
 * stands in it as JSON only, and nothing of a request ever does.
 *
 * The code reaches these names and no others: `module`, which gets the function; `own`, with what
 * is ours; `require`, for what ajv itself runs on.
 */
import { createRequire } from 'node:module';
import { compileFunction } from 'node:vm';
import type { ErrorObject, ValidateFunction } from 'ajv';
import { joinedErrors, Verdicts } from './bounded-judging.js';
import { LinearPattern, type Matcher } from './linear-pattern.js';
import { isMultipleOf } from './multiple-of.js';
import { schemaFormats } from './schema-formats.js';
import { firstRepeated } from './unique-items.js';

/** How values come: as JSON has them, or as texts that may stand for numbers and booleans. */
export type SchemaInput = 'json' | 'text';

const load = createRequire(import.meta.url);

/** What the code of ajv may ask for. */
const RUNTIME = ['ajv/dist/runtime/equal', 'ajv/dist/runtime/ucs2length'] as const;

/** A text; or, as ajv writes it: whether a text is a number; errors of another schema; a circle. */
const CODE_PARTS = new RegExp(
  [
    /"(?:[^"\\]|\\.)*"(?: ?:)?/,
    /\b(data\d+) == \+\1\b/,
    /vErrors === null \? ([\w.]+)\.errors : vErrors\.concat\([\w.]+\.errors\)/,
    /(const wrapper\d+ = \{validate: )(validate\d+)\}/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'g',
);
/** RFC 8259 section 6, and no more than a double holds. */
const JSON_NUMBER = '/^-?(?:0|[1-9]\\d*)(?:\\.\\d+)?(?:[eE][+-]?\\d+)?$/';

/**
 * Mends what ajv has written, where it has no option. For texts it puts the grammar of JSON in the
 * place of JavaScript's: "Infinity", "0x10", " 5" and "1e400" are no numbers for whoever gets the
 * request. A member `__proto__` of a schema is a member and not the prototype. Errors are joined,
 * and circles of schemas passed, as bounded-judging.ts has it; what is read as texts is not nested
 * deeply, and may be changed while it is judged.
 */
export function writeSchemaCode(code: string, input: SchemaInput): string {
  return code.replace(CODE_PARTS, (found, data, part, circle, judge) => {
    if (part !== undefined) return `own.joinedErrors(vErrors, ${part}.errors)`;
    if (circle !== undefined) {
      return input === 'json' ? `${circle}own.remembered(${judge})}` : found;
    }
    if (data === undefined) return found === '"__proto__":' ? '["__proto__"]:' : found;
    return input === 'text' ? `${JSON_NUMBER}.test(${data}) && isFinite(${data})` : found;
  });
}

type Evaluated = (module: { exports: unknown }, own: object, require: unknown) => void;

/** The function that the code of a schema makes. */
export function evaluateSchema(code: string): ValidateFunction {
  const create = compileFunction(code, ['module', 'own', 'require']) as Evaluated;
  const module: { exports: unknown } = { exports: null };
  const verdicts = new Verdicts();
  const { remembered } = verdicts;
  const helpers = { firstRepeated, isMultipleOf, joinedErrors, remembered };
  const own = { ...helpers, formats: schemaFormats(), linearPatterns: latePattern };
  create(module, own, requireRuntime);
  const validate = module.exports as ValidateFunction;
  return verdicts.isUsed ? forgetting(validate, verdicts) : validate;
}

function forgetting(validate: ValidateFunction, verdicts: Verdicts): ValidateFunction {
  const judge = (value: unknown): boolean => {
    try {
      return validate(value);
    } finally {
      whole.errors = validate.errors ?? null;
      verdicts.forget();
    }
  };
  const whole = Object.assign(judge, validate) as ValidateFunction;
  return whole;
}

/** A pattern that the loader has tried. It is made when the first text comes to it. */
function latePattern(pattern: string): Matcher {
  let made: LinearPattern | undefined;
  return {
    test: (text) => {
      made ??= new LinearPattern(pattern);
      return made.test(text);
    },
  };
}

function requireRuntime(name: string): unknown {
  const known = RUNTIME.find((one) => one === name);
  if (known === undefined) throw new Error(`the code of a schema asks for ${name}`);
  return load(known);
}

/** Loads what code may ask for, so that no request waits for it. */
function preload(): void {
  for (const name of RUNTIME) load(name);
  schemaFormats();
}

/** Judges values by a schema. Its code is evaluated when the first value comes. */
export class SchemaJudge {
  private validate: ValidateFunction | null = null;

  constructor(private readonly readCode: () => string) {}

  /** Empty: the value fits. */
  errorsOf(value: unknown): readonly ErrorObject[] {
    this.validate ??= evaluateSchema(this.readCode());
    return this.validate(value) ? [] : (this.validate.errors ?? []);
  }
}

/** The schemas of a configuration by their places; routes with the same schema share a judge. */
export class SchemaJudges {
  private readonly judges = new Map<number, SchemaJudge>();

  /** `readCode`: the code at a place, of which there are `count`. */
  constructor(
    private readonly count: number,
    private readonly readCode: (place: number) => string,
  ) {
    if (count > 0) preload();
  }

  at(place: number): SchemaJudge {
    const known = this.judges.get(place);
    if (known !== undefined) return known;
    const judge = new SchemaJudge(() => this.readCode(place));
    this.judges.set(place, judge);
    return judge;
  }

  /** Evaluates the code of each. Throws where one of them cannot be. */
  evaluateAll(): void {
    for (let place = 0; place < this.count; place += 1) {
      evaluateSchema(this.readCode(place));
    }
  }
}
