/**
 * Options of validation.
 *
 * Thread: any (pure). JSON Schema draft-07 and 2020-12, checked by ajv.
 */
import type { ByteSize } from '../../base/quantities.js';

export { expressionProblem } from './linear-pattern.js';
export type { SchemaDialect } from './schema-engine.js';
export { isKnownFormat, schemaProblem } from './schema-engine.js';

import type { SchemaDialect } from './schema-engine.js';

/** A JSON Schema, true or false, or the name of a file (JSON or YAML) that holds one. */
export type SchemaConfig = Readonly<Record<string, unknown>> | boolean | string;

/** What requests must look like. What does not is refused with 400 and a list of violations. */
export interface ValidationConfig {
  /** Of all schemas here: `2020-12` or `draft-07`. Default: 2020-12. */
  readonly dialect?: SchemaDialect;
  /** Of the body, which must be there. Default: not looked at. */
  readonly body?: SchemaConfig;
  /**
   * Media types that a body may have; others are refused with 415. Default with `body`:
   * `application/json` and `application/*+json`; else: any.
   */
  readonly contentTypes?: readonly string[];
  /**
   * Of the query: an object of its parameters. Texts are taken for numbers and booleans where the
   * schema wants them; a parameter that comes twice is a list. Default: not looked at.
   */
  readonly query?: SchemaConfig;
  /** Of the path's parameters, as `query`. Default: not looked at. */
  readonly params?: SchemaConfig;
  /** Of the header fields, names in lower case, as `query`. Default: not looked at. */
  readonly headers?: SchemaConfig;
  /** Largest body, 1KiB to 16MiB and at most `limits.bodyBytes`. Larger: 413. Default: 256KiB. */
  readonly maxBodyBytes?: ByteSize;
  /** Objects and lists of the body inside one another, 1 to 256. Default: 32. */
  readonly maxDepth?: number;
  /** Members and items of the body in all, 1 to 1000000. Default: 10000. */
  readonly maxMembers?: number;
}

/** A body of one media type. */
export interface CompiledContent {
  /** Lower case; `*` may stand for a type, a subtype, or what is before a suffix. */
  readonly mediaType: string;
  /** null: any body of that type. */
  readonly schema: unknown;
}

export interface CompiledValidation {
  readonly dialect: SchemaDialect;
  /** null: bodies go on as they come. */
  readonly contents: readonly CompiledContent[] | null;
  readonly isBodyRequired: boolean;
  /** undefined: not looked at. */
  readonly query?: unknown;
  readonly params?: unknown;
  readonly headers?: unknown;
  readonly maxBodyBytes: number;
  readonly maxDepth: number;
  readonly maxMembers: number;
}
