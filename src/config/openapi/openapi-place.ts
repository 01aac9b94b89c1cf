/**
 * Where in which document something is read.
 *
 * Thread: loader.
 */
import type { OpenapiDocument } from './openapi-document.js';
import type { OpenapiNotes } from './openapi-notes.js';
import type { OpenapiSchemas } from './openapi-schema.js';

export interface OpenapiPlace {
  /** JSON Pointer, for people. */
  readonly at: string;
  readonly document: OpenapiDocument;
  readonly schemas: OpenapiSchemas;
  readonly notes: OpenapiNotes;
}
