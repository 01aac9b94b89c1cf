/**
 * Leaves out keys that begin with `x-`: a place for anchors, notes and the settings of other tools.
 *
 * Thread: any (pure). Only where the schema names the keys of a map: the name of a header field in
 * a map of fields is data.
 */
import type { SchemaNode } from '../../schema/schema-node.js';
import { CONFIG_SCHEMA } from '../schema/config-schema.js';
import { alternativesOf, nodesAt } from '../schema/schema-walk.js';

/** Changes `value`, the whole of a configuration, in place. */
export function dropExtensionKeys(value: unknown): void {
  drop(value, alternativesOf(CONFIG_SCHEMA));
}

function drop(value: unknown, nodes: readonly SchemaNode[]): void {
  if (typeof value !== 'object' || value === null || nodes.length === 0) return;
  if (Array.isArray(value)) {
    const items = nodes.flatMap((node) => alternativesOf(node.items));
    for (const item of value) drop(item, items);
    return;
  }
  const hasNamedKeys = nodes.every(
    ({ type, properties, additionalProperties }) =>
      type !== 'object' || (properties !== undefined && additionalProperties === false),
  );
  for (const key of Object.keys(value)) {
    const known = nodes.flatMap((node) => nodesAt(node, key));
    if (hasNamedKeys && known.length === 0 && key.startsWith('x-')) {
      Reflect.deleteProperty(value, key);
    } else {
      drop(Reflect.get(value, key), known);
    }
  }
}
