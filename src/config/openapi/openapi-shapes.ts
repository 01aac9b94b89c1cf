/**
 * What a converted schema takes, as far as it decides how a parameter is written.
 *
 * Thread: any (pure).
 */
import { isObject } from '../../base/json-object.js';
import type { JsonObject } from './openapi-document.js';

export type Shape = 'list' | 'object' | 'text';

const CHOICES = ['anyOf', 'oneOf'] as const;

/** Every shape that the schema may take; `text` where nothing is said. */
export function shapesOf(schema: unknown): ReadonlySet<Shape> {
  const shapes = new Set<Shape>();
  visit(schema, definitionsOf(schema), (one) => {
    for (const shape of ownShapes(one)) shapes.add(shape);
  });
  if (shapes.size === 0) shapes.add('text');
  return shapes;
}

/** Names of the members that a schema of an object knows. */
export function membersOf(schema: unknown): string[] {
  const names = new Set<string>();
  visit(schema, definitionsOf(schema), ({ properties }) => {
    if (isObject(properties)) for (const name of Object.keys(properties)) names.add(name);
  });
  return [...names];
}

function definitionsOf(schema: unknown): JsonObject {
  const definitions = isObject(schema) ? schema['$defs'] : undefined;
  return isObject(definitions) ? definitions : {};
}

function ownShapes({ type, properties, items, ...rest }: JsonObject): Shape[] {
  const types = typeof type === 'string' ? [type] : Array.isArray(type) ? type : [];
  if (types.length > 0) {
    return types
      .filter((one) => one !== 'null')
      .map((one) => {
        if (one === 'array') return 'list';
        return one === 'object' ? 'object' : 'text';
      });
  }
  if (properties !== undefined) return ['object'];
  if (items !== undefined) return ['list'];
  return rest['enum'] === undefined && rest['const'] === undefined ? [] : ['text'];
}

/** Calls `see` with the schema and all that apply to the same value. */
function visit(
  schema: unknown,
  definitions: JsonObject,
  see: (schema: JsonObject) => void,
  seen: Set<unknown> = new Set(),
): void {
  if (!isObject(schema) || seen.has(schema)) return;
  seen.add(schema);
  see(schema);
  const { $ref, allOf } = schema;
  if (typeof $ref === 'string') {
    visit(definitions[$ref.slice('#/$defs/'.length)], definitions, see, seen);
  }
  for (const list of [allOf, ...CHOICES.map((key) => schema[key])]) {
    if (Array.isArray(list)) for (const one of list) visit(one, definitions, see, seen);
  }
}
