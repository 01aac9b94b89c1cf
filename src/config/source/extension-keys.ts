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
  drop(value, new Known(alternativesOf(CONFIG_SCHEMA)));
}

/** What the schema says of one place. Kept for the call: lists have many items of one kind. */
class Known {
  /** The schema names all keys that a map may have here. */
  readonly hasNamedKeys: boolean;
  private readonly byKey = new Map<string, Known>();
  private ofItems: Known | null = null;

  constructor(private readonly nodes: readonly SchemaNode[]) {
    this.hasNamedKeys = nodes.every(
      ({ type, properties, additionalProperties }) =>
        type !== 'object' || (properties !== undefined && additionalProperties === false),
    );
  }

  get isNothing(): boolean {
    return this.nodes.length === 0;
  }

  get items(): Known {
    this.ofItems ??= new Known(this.nodes.flatMap((node) => alternativesOf(node.items)));
    return this.ofItems;
  }

  at(key: string): Known {
    const known = this.byKey.get(key);
    if (known !== undefined) return known;
    const found = new Known(this.nodes.flatMap((node) => nodesAt(node, key)));
    // Names of fields and the like are without number.
    if (this.hasNamedKeys && !found.isNothing) this.byKey.set(key, found);
    return found;
  }
}

function drop(value: unknown, known: Known): void {
  if (typeof value !== 'object' || value === null || known.isNothing) return;
  if (Array.isArray(value)) {
    for (const item of value) drop(item, known.items);
    return;
  }
  for (const key of Object.keys(value)) {
    const ofKey = known.at(key);
    if (known.hasNamedKeys && ofKey.isNothing && key.startsWith('x-')) {
      Reflect.deleteProperty(value, key);
    } else {
      drop(Reflect.get(value, key), ofKey);
    }
  }
}
