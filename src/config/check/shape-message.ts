/**
 * Says in plain words what the schema expects of a value.
 *
 * Thread: any (pure). One sentence a value, whichever of its keywords failed first.
 */
import { formatDuration, parseDurationMs } from '../../base/quantities.js';
import type { SchemaNode } from '../../schema/schema-node.js';

/** `an integer from 1 to 64`, `one of "jwt"`, `a duration from 100ms to 24h (…)`. */
export function describeExpected(node: SchemaNode): string {
  const duration = node['x-duration'];
  if (duration !== undefined) {
    const [min, max] = [duration.min, duration.max].map(shortDuration);
    return `a duration from ${min} to ${max} (written 250ms, 5s, 1m, 1h, 30d)`;
  }
  const size = node['x-size'];
  if (size !== undefined) {
    return `a size from ${size.min} to ${size.max} (written 16KiB, 1MiB, 1GiB or in bytes)`;
  }
  if (node.enum !== undefined) return describeChoice(node.enum);
  if (typeof node.type !== 'string' && /array|object/.test(node.type.join())) {
    return describeUnion(node, node.type);
  }
  switch (node.type) {
    case 'integer':
      return `an integer from ${node.minimum} to ${node.maximum}`;
    case 'number':
      return `a number from ${node.minimum} to ${node.maximum}`;
    case 'boolean':
      return 'true or false';
    case 'array':
      return describeCount(node.minItems ?? 0, node.maxItems, ['a list', 'item']);
    case 'object':
      return describeCount(node.minProperties ?? 0, node.maxProperties, ['a mapping', 'key']);
    default:
      return describeString(node);
  }
}

/** One thing, or a list of such things, or a switch with details. */
function describeUnion(node: SchemaNode, types: readonly string[]): string {
  const described = types.map((type) => describeExpected({ ...node, type }));
  return described.join(', or ');
}

function shortDuration(text: string): string {
  return formatDuration(parseDurationMs(text) ?? 0);
}

function describeChoice(choices: readonly string[]): string {
  const quoted = choices.map((choice) => JSON.stringify(choice)).join(', ');
  return choices.length === 1 ? quoted : `one of ${quoted}`;
}

function describeCount(
  min: number,
  max: number | undefined,
  [whole, part]: readonly [string, string],
): string {
  if (min > 0 && max === undefined) return `${whole} of at least ${min} ${part}`;
  if (min === 1 && max === 1) return `${whole} of one ${part}`;
  if (min > 0) return `${whole} of ${min} to ${max} ${part}s`;
  return max === undefined ? whole : `${whole} of at most ${max} ${part}s`;
}

function describeString(node: SchemaNode): string {
  const { 'x-meaning': meaning } = node;
  if (meaning !== undefined) return meaning;
  if (node.maxLength === undefined) return 'a string';
  return `a string${describeLength(node)}`;
}

/** ` of 16 to 1024 characters`: of a text whose length is what is wrong. */
export function describeLength({ minLength = 0, maxLength = 0 }: SchemaNode): string {
  return ` of ${minLength} to ${maxLength} characters`;
}

/** What a key is told to be that has no value: `listen:` with all below it commented out. */
export function describeMissing(node: SchemaNode): string {
  return `has no value: it must be ${describeExpected(node)}`;
}

/** The actual value in words, without a value that must not be seen. */
export function describeActual(value: unknown, quoted: string | undefined): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (quoted !== undefined) return quoted;
  return `a ${typeof value}`;
}
