/**
 * JSON Pointers (RFC 6901), by which places inside a document are known, and how people read them.
 *
 * Thread: any (pure).
 */

/** The pointer one level deeper. The root is the empty string. */
export function childPointer(parent: string, key: string | number): string {
  if (typeof key === 'number') return `${parent}/${key}`;
  return `${parent}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** The pointer to what these keys lead to, from the root on. */
export function pointerOf(...keys: readonly (string | number)[]): string {
  return keys.reduce<string>((parent, key) => childPointer(parent, key), '');
}

/** The keys that a pointer consists of. */
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
