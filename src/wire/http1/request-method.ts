/**
 * The names of methods, out of bytes.
 *
 * Thread: any (pure).
 */

const KNOWN_METHODS: ReadonlyMap<string, string> = new Map(
  ['HEAD', 'POST', 'PATCH', 'DELETE', 'OPTIONS'].map((method) => [method, method]),
);

/** The first `length` bytes. Known names are constants: comparing them later costs nothing. */
export function methodOf(bytes: Buffer, length: number): string {
  if (length === 3) {
    if (bytes[0] === 71 && bytes[1] === 69 && bytes[2] === 84) return 'GET';
    if (bytes[0] === 80 && bytes[1] === 85 && bytes[2] === 84) return 'PUT';
  }
  const method = bytes.toString('latin1', 0, length);
  return KNOWN_METHODS.get(method) ?? method;
}
