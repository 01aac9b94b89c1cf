/**
 * Names of places inside a configuration: JSON Pointers inside, readable paths outside.
 *
 * Thread: any (pure). JSON Pointer (RFC 6901) is what the schema checker speaks, so positions,
 * variables and findings are all keyed by it.
 */
import { childPointer } from '../../base/json-text.js';

export function pointerOf(...keys: readonly (string | number)[]): string {
  return keys.reduce<string>((parent, key) => childPointer(parent, key), '');
}

export function pointerKeys(pointer: string): string[] {
  const escaped = pointer === '' ? [] : pointer.slice(1).split('/');
  return escaped.map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** `/routes/2/rateLimit/window` as `routes[2].rateLimit.window`. */
export function displayPath(pointer: string): string {
  let path = '';
  for (const key of pointerKeys(pointer)) {
    if (/^\d+$/.test(key)) path += `[${key}]`;
    else if (/^[A-Za-z_$][\w$-]*$/.test(key)) path += path === '' ? key : `.${key}`;
    else path += `[${JSON.stringify(key)}]`;
  }
  return path;
}
