/**
 * What a request has done wrong, in a form that its sender can use.
 *
 * Thread: any (pure). Names, pointers and rules; never a value, which may be a secret.
 */
import type { ErrorObject } from 'ajv';
import { childPointer } from '../../base/json-pointer.js';

/** More than these say nothing new. */
export const VIOLATIONS_MAX = 100;

export interface Violation {
  /** Part of the request. */
  readonly in: 'body' | 'query' | 'params' | 'headers' | 'cookies';
  /** JSON Pointer into that part (RFC 6901). */
  readonly pointer: string;
  /** Keyword of the schema, or a rule of the gateway's own. */
  readonly rule: string;
  readonly detail: string;
}

/** Violations of one schema. */
export function violationsOf(
  part: Violation['in'],
  errors: readonly ErrorObject[],
): readonly Violation[] {
  return errors.slice(0, VIOLATIONS_MAX).map((error) => ({
    in: part,
    pointer: pointerTo(error),
    rule: error.keyword,
    detail: error.message ?? 'does not fit the schema',
  }));
}

/** The member itself where one is missing or unknown. */
function pointerTo({ instancePath, params, propertyName }: ErrorObject): string {
  const name =
    params['missingProperty'] ??
    params['additionalProperty'] ??
    params['unevaluatedProperty'] ??
    propertyName;
  return name === undefined ? instancePath : childPointer(instancePath, String(name).slice(0, 200));
}
