/**
 * A configuration as it may be shown: secrets are there, their values are not.
 *
 * Thread: any (pure). What is secret says the schema (`writeOnly`), so that a new field cannot be
 * forgotten here.
 */

import type { SchemaNode } from '../../schema/schema-node.js';
import type { GatewayConfig } from '../gateway-config.js';
import { CONFIG_SCHEMA } from '../schema/config-schema.js';
import { alternativesOf, nodesAt } from '../schema/schema-walk.js';

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
  if (typeof value === 'string') return maskUrl(value);
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

/** Names of query parameters that hold secrets, or their ends: `api_key`, `accessToken`. */
const SECRET_NAME =
  /(?:key|token|secret|password|passwd|pwd|signature|sig|credential|credentials|auth|code)$/i;

/** A URL with its user, its password and the secrets of its query masked; other text as it is. */
export function maskUrl(text: string): string {
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//i.exec(text)?.[0];
  if (scheme === undefined) return text;
  const [, authority = '', rest = ''] = /^([^/?#]*)(.*)$/s.exec(text.slice(scheme.length)) ?? [];
  const host = authority.slice(authority.lastIndexOf('@') + 1);
  const user = host === authority ? '' : `${MASK}@`;
  const shown = rest.replace(/([?&;#])([^=&;#]*)=([^&;#]*)/g, (pair, mark, name) =>
    SECRET_NAME.test(name) ? `${mark}${name}=${MASK}` : pair,
  );
  return `${scheme}${user}${host}${shown}`;
}
