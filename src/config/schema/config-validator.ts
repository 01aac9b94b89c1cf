/**
 * The checker that the configuration's schema is compiled to.
 *
 * Thread: any (pure). To compile it takes half of the start of a gateway, so the build does it
 * (`build/precompile-schema.ts`); a build that did not, or of another schema, costs that time.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Ajv2020 as Ajv, Code, ValidateFunction } from 'ajv/dist/2020.js';
import { isDurationInRange, isSizeInRange } from '../../schema/quantity-range.js';
import type { SchemaNode, TypeOf } from '../../schema/schema-node.js';
import { CONFIG_SCHEMA } from './config-schema.js';

/** Says of data whether its shape is that of a configuration. */
export type ConfigValidator = ValidateFunction<TypeOf<typeof CONFIG_SCHEMA>>;

/** What the build writes: the compiled checker, and of which schema it is. */
export interface PrecompiledSchema {
  readonly digest: string;
  readonly create: (load: (name: string) => unknown) => { readonly default: ConfigValidator };
}

export const PRECOMPILED_FILE = fileURLToPath(new URL('./compiled-schema.cjs', import.meta.url));

/** A function of this file, and how written code reaches it. */
interface OwnFunction {
  readonly ref: unknown;
  readonly code: Code;
}

// Loaded only where it is needed: the library costs 60 ms of a start.
const load = createRequire(import.meta.url);

let validator: ConfigValidator | undefined;

/** Made at the first call. */
export function configValidator(): ConfigValidator {
  validator ??=
    readPrecompiled() ??
    schemaCompiler(false).compile<TypeOf<typeof CONFIG_SCHEMA>>(sharedSchema());
  return validator;
}

/** Which schema a checker was compiled from. */
export function schemaDigest(): string {
  return createHash('sha256').update(JSON.stringify(CONFIG_SCHEMA)).digest('hex');
}

function readPrecompiled(): ConfigValidator | undefined {
  if (!existsSync(PRECOMPILED_FILE)) return undefined;
  const precompiled = load(PRECOMPILED_FILE) as PrecompiledSchema;
  return precompiled.digest === schemaDigest() ? precompiledValidator(precompiled) : undefined;
}

export function precompiledValidator({ create }: PrecompiledSchema): ConfigValidator {
  const own = { isDurationInRange, isSizeInRange };
  return create((name) => (name === 'own' ? own : load(name))).default;
}

/** The characters of a part's JSON from which it gets a function of its own. */
const PART_CHARS_MIN = 400;

/**
 * The configuration's schema with its larger parts as `$defs`: each becomes a function of its own,
 * and V8 compiles those that a configuration has need of. As one it takes eight times as long.
 */
export function sharedSchema(): object {
  const $defs: Record<string, unknown> = {};
  const partOf = (schema: SchemaNode): unknown => {
    const whole = withParts(schema, partOf);
    if (JSON.stringify(withoutProse(schema)).length < PART_CHARS_MIN) return whole;
    const name = String(Object.keys($defs).length);
    $defs[name] = whole;
    return { $ref: `#/$defs/${name}` };
  };
  return { ...withParts(CONFIG_SCHEMA, partOf), $defs };
}

function withParts(schema: SchemaNode, partOf: (schema: SchemaNode) => unknown): object {
  const { properties, items, additionalProperties, oneOf } = schema;
  const parts = Object.entries(properties ?? {}).map(([key, part]) => [key, partOf(part)]);
  return {
    ...withoutProse(schema),
    ...(properties && { properties: Object.fromEntries(parts) }),
    ...(items && { items: partOf(items) }),
    ...(additionalProperties && { additionalProperties: partOf(additionalProperties) }),
    // `discriminator` wants to see the branches themselves.
    ...(oneOf && { oneOf: oneOf.map((branch) => withParts(branch, partOf)) }),
  };
}

/** Without what is for readers: the compiled checker holds a copy of each node. */
function withoutProse(schema: SchemaNode): object {
  const {
    title: _title,
    description: _description,
    default: _default,
    'x-absent': _absent,
    'x-typescript': _typescript,
    ...rest
  } = schema;
  return rest;
}

/** `isForSource`: what it compiles is to be written down. */
export function schemaCompiler(isForSource: boolean): Ajv {
  const { Ajv2020, _ } = load('ajv/dist/2020.js') as typeof import('ajv/dist/2020.js');
  const ajv = new Ajv2020({
    strict: true,
    allErrors: true,
    verbose: true,
    allowUnionTypes: true,
    discriminator: true,
    inlineRefs: false,
    code: { source: isForSource, optimize: isForSource },
  });
  // For messages and for readers: they say nothing about what is valid.
  ajv.addVocabulary(['x-meaning', 'x-absent', 'x-typescript']);
  const addRange = (keyword: string, type: ('string' | 'number')[], own: OwnFunction): void => {
    ajv.addKeyword({
      keyword,
      type,
      schemaType: 'object',
      code: (context) => {
        const { gen, schema, data } = context;
        context.fail(_`!${gen.scopeValue('func', own)}(${schema}, ${data})`);
      },
    });
  };
  addRange('x-duration', ['string'], {
    ref: isDurationInRange,
    code: _`require("own").isDurationInRange`,
  });
  addRange('x-size', ['string', 'number'], {
    ref: isSizeInRange,
    code: _`require("own").isSizeInRange`,
  });
  return ajv;
}
