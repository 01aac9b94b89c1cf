/**
 * Parts of a stored body, as a request asks for them.
 *
 * Thread: any (pure). RFC 9110 section 14.
 * Invariant: a request costs no more bytes than the whole body and RANGES_MAX heads of parts.
 */

/** First and last byte, both part of it. */
export type ByteRange = readonly [first: number, last: number];

/** `whole`: the request asks for no parts, or in a way that is not served. */
export type AskedRanges = 'whole' | 'unsatisfiable' | readonly [ByteRange, ...ByteRange[]];

/** More in one request are an attack, or of no use to anybody. */
export const RANGES_MAX = 16;

const RANGES = /^bytes=(.*)$/i;
const RANGE = /^(\d*)-(\d*)$/;

/** `text` is the Range field; `bodyBytes` the length of the stored body. */
export function askedRanges(text: string, bodyBytes: number): AskedRanges {
  const list = RANGES.exec(text)?.[1];
  if (list === undefined) return 'whole';
  const members = list.split(',').map((member) => member.trim());
  if (members.length > RANGES_MAX) return 'whole';
  const found: ByteRange[] = [];
  let total = 0;
  for (const member of members) {
    const range = rangeOf(member, bodyBytes);
    if (range === null) return 'whole';
    if (range === 'none') continue;
    found.push(range);
    total += range[1] - range[0] + 1;
  }
  const [first, ...others] = found;
  if (first === undefined) return 'unsatisfiable';
  // Parts that overlap are longer than the whole.
  return total > bodyBytes ? 'whole' : [first, ...others];
}

/** null: it cannot be read; `none`: the body has no such bytes. */
function rangeOf(member: string, bodyBytes: number): ByteRange | 'none' | null {
  const [, from = '', to = ''] = RANGE.exec(member) ?? [];
  if (from === '' && to === '') return null;
  if (from === '') {
    const suffix = Number(to);
    return suffix === 0 || bodyBytes === 0
      ? 'none'
      : [Math.max(0, bodyBytes - suffix), bodyBytes - 1];
  }
  const first = Number(from);
  const last = to === '' ? bodyBytes - 1 : Math.min(Number(to), bodyBytes - 1);
  if (to !== '' && Number(to) < first) return null;
  return first >= bodyBytes ? 'none' : [first, last];
}

/** The value of Content-Range. */
export function contentRange([first, last]: ByteRange, bodyBytes: number): string {
  return `bytes ${first}-${last}/${bodyBytes}`;
}

/** Several parts as one body of type multipart/byteranges (section 14.6). */
export function multipartBody(
  body: Buffer,
  ranges: readonly ByteRange[],
  { contentType, boundary }: { readonly contentType: string; readonly boundary: string },
): Buffer {
  const type = contentType === '' ? '' : `Content-Type: ${contentType}\r\n`;
  const pieces: Buffer[] = [];
  for (const range of ranges) {
    const place = `Content-Range: ${contentRange(range, body.length)}\r\n\r\n`;
    pieces.push(Buffer.from(`\r\n--${boundary}\r\n${type}${place}`, 'latin1'));
    pieces.push(body.subarray(range[0], range[1] + 1));
  }
  pieces.push(Buffer.from(`\r\n--${boundary}--\r\n`, 'latin1'));
  return Buffer.concat(pieces);
}
