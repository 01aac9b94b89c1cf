/**
 * What stands behind the place where a head was refused as too large: by it a page may be told.
 *
 * Thread: any (pure). Looks only at bytes that are there already, and takes a few fields that say
 * who asks; nothing of it decides about the request.
 */

/** By which a refusal is made readable for its client. */
const WANTED: ReadonlySet<string> = new Set(['accept', 'host', 'origin']);
const PLAIN = /^[\x20-\x7e]*$/;
/** Of the bytes that are there; one read brings no more. */
const BYTES_MAX = 64 * 1024;

/**
 * `text`: of the refused head, as records/request-head.ts has it; `rest`: the bytes behind the
 * place. The first line of the rest is a piece of one, and its last one may be.
 */
export function withLateFields(text: string, rest: Buffer): string {
  const found = rest.toString('latin1', 0, Math.min(rest.length, BYTES_MAX));
  const end = found.indexOf('\r\n\r\n');
  const lines = (end === -1 ? found : found.slice(0, end + 2)).split('\r\n').slice(1, -1);
  const added = new Set<string>();
  let all = text;
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon)).toLowerCase();
    if (!WANTED.has(name) || added.has(name) || text.includes(`\n${name}\n`)) continue;
    const value = line.slice(colon + 1).trim();
    if (!PLAIN.test(value)) continue;
    added.add(name);
    all += `\n${name}\n${value}`;
  }
  return all;
}
