/** Validation as threads do it, made of what a configuration is compiled to. */
import type { CompiledValidation } from '../../src/filters/validation/options.js';
import { shareValidation } from '../../src/filters/validation/options.js';
import { SchemaJudges } from '../../src/filters/validation/schema-code.js';
import { schemaCode } from '../../src/filters/validation/schema-engine.js';
import { createValidation, type ValidationSteps } from '../../src/filters/validation/validation.js';

export function validationOf(options: CompiledValidation): ValidationSteps {
  const codes: string[] = [];
  const shared = shareValidation(options, (...schema) => codes.push(schemaCode(...schema)) - 1);
  return createValidation(shared, new SchemaJudges(codes.length, (place) => codes[place] ?? ''));
}
