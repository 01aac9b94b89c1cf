/**
 * The characters of a request's target.
 *
 * Thread: any (pure). The same ones as in HTTP/1.1, and the same is done with them.
 */
import {
  areAllIn,
  HEX_HIGH,
  HEX_LOW,
  TARGET_BYTES,
  TARGET_FORBIDDEN,
  TARGET_PLAIN,
} from '../http1/characters.js';

/**
 * The target with raw characters in their percent-encoding; '': it has one that no target has, or
 * a raw one where `mayEncode` is false.
 */
export function encodeTarget(path: string, mayEncode: boolean): string {
  if (areAllIn(TARGET_BYTES, path)) return path;
  let target = '';
  for (let at = 0; at < path.length; at++) {
    const code = path.charCodeAt(at);
    const kind = TARGET_BYTES[code] ?? TARGET_FORBIDDEN;
    if (kind === TARGET_FORBIDDEN || (kind !== TARGET_PLAIN && !mayEncode)) return '';
    target += kind === TARGET_PLAIN ? path.charAt(at) : percentEncoded(code);
  }
  return target;
}

function percentEncoded(code: number): string {
  return `%${String.fromCharCode(HEX_HIGH[code] ?? 0, HEX_LOW[code] ?? 0)}`;
}
