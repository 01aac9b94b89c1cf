/**
 * A configuration as it may be shown: secrets are there, their values are not.
 *
 * Thread: any (pure). What is secret says the schema (`writeOnly`), so that a new field cannot be
 * forgotten here.
 */

import type { SchemaNode } from '../../schema/schema-node.js';
import type { GatewayConfig } from '../gateway-config.js';
import { CONFIG_SCHEMA } from '../schema/config-schema.js';

/** Stands for a value that is not shown. */
export const MASK = '***';

/** A copy with secrets masked; what the schema does not know is masked as well. */
export function maskSecrets(config: GatewayConfig): unknown {
  return mask(config, alternativesOf(CONFIG_SCHEMA));
}

/** `nodes`: what the value may be by the schema. */
function mask(value: unknown, nodes: readonly SchemaNode[]): unknown {
  if (nodes.length === 0 || nodes.some((node) => node.writeOnly === true)) return MASK;
  if (Array.isArray(value)) {
    const items = nodes.flatMap((node) => alternativesOf(node.items));
    return value.map((item) => mask(item, items));
  }
  if (typeof value !== 'object' || value === null) return value;
  const shown = Object.entries(value).map(([key, part]) => {
    return [
      key,
      mask(
        part,
        nodes.flatMap((node) => nodesAt(node, key)),
      ),
    ];
  });
  return Object.fromEntries(shown);
}

function nodesAt(node: SchemaNode, key: string): SchemaNode[] {
  const { properties = {}, additionalProperties } = node;
  const named = Object.hasOwn(properties, key) ? properties[key] : undefined;
  if (named !== undefined) return alternativesOf(named);
  return alternativesOf(additionalProperties === false ? undefined : additionalProperties);
}

/** The node and those that it stands for. */
function alternativesOf(node: SchemaNode | undefined): SchemaNode[] {
  if (node === undefined) return [];
  const { oneOf = [] } = node;
  return [node, ...oneOf.flatMap(alternativesOf)];
}
