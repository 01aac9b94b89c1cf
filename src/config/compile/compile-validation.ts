/**
 * Compiles and checks the validation of a route; reads the schemas that it names by file.
 *
 * Thread: acceptor. A part of compile-filters.ts and check-filters.ts.
 */
import { defined } from '../../base/assert.js';
import { parseSizeBytes } from '../../base/quantities.js';
import {
  type CompiledContent,
  type CompiledValidation,
  type SchemaConfig,
  schemaProblem,
  type ValidationConfig,
} from '../../filters/validation/options.js';
import type { SoundPart } from '../check/check-shape.js';
import type { Findings } from '../check/finding.js';
import { DEFAULTS } from '../defaults.js';
import { readDocument } from '../source/document-file.js';

const JSON_TYPES = ['application/json', 'application/*+json'];
const PARTS = ['body', 'query', 'params', 'headers'] as const;

/** Fills in defaults and reads files. */
export function compileValidation(
  config: ValidationConfig,
  bodyBytesMax: number,
): CompiledValidation {
  const defaults = DEFAULTS.validation;
  const { body, query, params, headers } = config;
  return {
    dialect: config.dialect ?? defaults.dialect,
    contents: compileContents(config),
    isBodyRequired: body !== undefined,
    ...(query !== undefined && { query: schemaOf(query) }),
    ...(params !== undefined && { params: schemaOf(params) }),
    ...(headers !== undefined && { headers: lowerCaseMembers(schemaOf(headers)) }),
    ...compileBounds(config, bodyBytesMax),
  };
}

/** Bounds of bodies, whoever says what they look like. */
export function compileBounds(
  config: ValidationConfig,
  bodyBytesMax: number,
): Pick<CompiledValidation, 'maxBodyBytes' | 'maxDepth' | 'maxMembers'> {
  const defaults = DEFAULTS.validation;
  const maxBytes = defined(parseSizeBytes(config.maxBodyBytes ?? defaults.maxBodyBytes), 'a size');
  return {
    maxBodyBytes: Math.min(maxBytes, bodyBytesMax),
    maxDepth: config.maxDepth ?? defaults.maxDepth,
    maxMembers: config.maxMembers ?? defaults.maxMembers,
  };
}

function compileContents({ body, contentTypes }: ValidationConfig): CompiledContent[] | null {
  if (body === undefined && contentTypes === undefined) return null;
  const schema = body === undefined ? null : schemaOf(body);
  return (contentTypes ?? JSON_TYPES).map((mediaType) => {
    return { mediaType: mediaType.toLowerCase(), schema };
  });
}

/** Names of fields are in lower case by the time that a schema sees them. */
export function lowerCaseMembers(schema: unknown): unknown {
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

function schemaOf(config: SchemaConfig): unknown {
  if (typeof config !== 'string') return config;
  const document = readDocument(config);
  return defined(document.isValid ? document.value : undefined, 'a checked file');
}

/** Checks that every schema can be read and compiled. */
export function checkValidation(
  config: SoundPart<ValidationConfig>,
  pointer: string,
  findings: Findings,
): void {
  for (const part of PARTS) {
    const at = `${pointer}/${part}`;
    let schema: unknown = config[part];
    if (schema === undefined || findings.hasUnder(at)) continue;
    if (typeof schema === 'string') {
      const document = readDocument(schema);
      if (!document.isValid) {
        findings.addValue(at, document.problem);
        continue;
      }
      schema = document.value;
    }
    const problem = schemaProblem(schema, config.dialect ?? DEFAULTS.validation.dialect);
    if (problem !== undefined) findings.addValue(at, `is no schema that can be used: ${problem}`);
  }
}
