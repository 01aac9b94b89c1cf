/**
 * `oneOf` in schemas of texts.
 *
 * Thread: any (pure). `5` in a query is a number, a text, and a list of one. Where the choices of a
 * `oneOf` take different types, one text would fit several of them, and so none: there the first
 * that fits is enough, as with `anyOf`.
 */
import { isObject } from '../../base/json-object.js';
import { pointerKeys } from '../../base/json-pointer.js';

/** Keywords whose values are no schemas. */
const DATA: ReadonlySet<string> = new Set(['const', 'default', 'enum', 'example', 'examples']);
/** Keywords whose values have a schema in each member. */
const NAMED: ReadonlySet<string> = new Set([
  ...['properties', 'patternProperties', 'dependentSchemas', 'dependencies'],
  ...['$defs', 'definitions'],
]);
const HOPS_MAX = 16;

/** The schema as it judges texts. */
export function withTextChoices(root: unknown): unknown {
  return rewrite(root, root);
}

function rewrite(value: unknown, root: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => rewrite(item, root));
  if (!isObject(value)) return value;
  const members = mapped(value, (member, key) => {
    if (DATA.has(key)) return member;
    const isNamed = NAMED.has(key) && isObject(member);
    return isNamed ? mapped(member, (one) => rewrite(one, root)) : rewrite(member, root);
  });
  const { oneOf, ...others } = members;
  if (!Array.isArray(oneOf) || isOfOneType(oneOf, root)) return members;
  if (others['anyOf'] === undefined) return { ...others, anyOf: oneOf };
  const parts = Array.isArray(others['allOf']) ? others['allOf'] : [];
  return { ...others, allOf: [...parts, { anyOf: oneOf }] };
}

function mapped(
  value: Record<string, unknown>,
  change: (member: unknown, key: string) => unknown,
): Record<string, unknown> {
  const entries = Object.entries(value);
  return Object.fromEntries(entries.map(([key, member]) => [key, change(member, key)]));
}

function isOfOneType(choices: readonly unknown[], root: unknown): boolean {
  const types = choices.map((choice) => typesOf(choice, root));
  return types.every((one) => one !== '' && one === types[0]);
}

/** As one text; empty: it is not said. */
function typesOf(schema: unknown, root: unknown, hops = 0): string {
  if (!isObject(schema) || hops > HOPS_MAX) return '';
  const { type, $ref, allOf } = schema;
  if (type !== undefined) return String(type);
  if (typeof $ref === 'string' && $ref.startsWith('#/')) {
    const keys = pointerKeys($ref.slice(1));
    return typesOf(keys.reduce<unknown>(memberOf, root), root, hops + 1);
  }
  const parts = Array.isArray(allOf) ? allOf : [];
  return parts.map((one) => typesOf(one, root, hops + 1)).find((one) => one !== '') ?? '';
}

function memberOf(parent: unknown, key: string): unknown {
  return isObject(parent) && Object.hasOwn(parent, key) ? parent[key] : undefined;
}
