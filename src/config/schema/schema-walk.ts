/**
 * Finds what the schema says of a value that lies within a configuration.
 *
 * Thread: any (pure).
 */
import type { SchemaNode } from '../../schema/schema-node.js';

/** What the value of a key may be by the schema; nothing: the schema does not know the key. */
export function nodesAt(node: SchemaNode, key: string): SchemaNode[] {
  const { properties = {}, additionalProperties } = node;
  const named = Object.hasOwn(properties, key) ? properties[key] : undefined;
  if (named !== undefined) return alternativesOf(named);
  return alternativesOf(additionalProperties === false ? undefined : additionalProperties);
}

/** The node and those that it stands for. */
export function alternativesOf(node: SchemaNode | undefined): SchemaNode[] {
  if (node === undefined) return [];
  const { oneOf = [] } = node;
  return [node, ...oneOf.flatMap(alternativesOf)];
}
