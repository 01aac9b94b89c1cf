/**
 * The fields that every endpoint of HPACK knows.
 *
 * Thread: any (pure). RFC 7541 appendix A. The index of the first one is 1.
 */
import { classOfName, type FieldClass } from './field-class.js';

const FIELDS = `:authority
:method GET
:method POST
:path /
:path /index.html
:scheme http
:scheme https
:status 200
:status 204
:status 206
:status 304
:status 400
:status 404
:status 500
accept-charset
accept-encoding gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate`.split('\n');

export const STATIC_COUNT: number = FIELDS.length;

/** Entries of a table as bytes: each LF, the name, LF, the value. Places are by slot. */
export interface FieldEntries {
  readonly bytes: Buffer;
  readonly starts: Int32Array;
  /** Where the LF behind the name stands. */
  readonly nameEnds: Int32Array;
  readonly ends: Int32Array;
  readonly classes: Uint8Array;
}

/** The slot of an entry is its index; slot 0 is empty. */
export const STATIC_ENTRIES: FieldEntries = entriesOf(FIELDS);

/** The index of a name, of the first entry that has it. */
export const STATIC_NAMES: ReadonlyMap<string, number> = new Map(
  FIELDS.map((text, at) => [partsOf(text)[0], at + 1] as const).reverse(),
);

/** The values that a name of the table has there, in the order of their indexes. */
export function staticValuesOf(name: string): readonly string[] {
  return FIELDS.map(partsOf)
    .filter(([other]) => other === name)
    .map(([, value]) => value);
}

function partsOf(text: string): [name: string, value: string] {
  const space = text.indexOf(' ');
  return space === -1 ? [text, ''] : [text.slice(0, space), text.slice(space + 1)];
}

function entriesOf(texts: readonly string[]): FieldEntries {
  const bytes = Buffer.from(texts.map((text) => `\n${partsOf(text).join('\n')}`).join(''));
  const slots = texts.length + 1;
  const starts = new Int32Array(slots);
  const nameEnds = new Int32Array(slots);
  const ends = new Int32Array(slots);
  const classes = new Uint8Array(slots);
  let at = 0;
  for (const [before, text] of texts.entries()) {
    const [name, value] = partsOf(text);
    const slot = before + 1;
    starts[slot] = at;
    nameEnds[slot] = at + 1 + name.length;
    ends[slot] = at + name.length + value.length + 2;
    classes[slot] = classOfName(bytes, at + 1, at + 1 + name.length) satisfies FieldClass;
    at = ends[slot] ?? 0;
  }
  return { bytes, starts, nameEnds, ends, classes };
}
