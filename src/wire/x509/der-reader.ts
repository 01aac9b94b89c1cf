/**
 * Reads DER (X.690), as far as certificates need it: tags, lengths, and what is inside.
 *
 * Thread: any (pure). Invariant: no length is believed that its bytes do not have, and none that
 * is not in its shortest form.
 */

export const TAG_BOOLEAN = 0x01;
export const TAG_BIT_STRING = 0x03;
export const TAG_OCTET_STRING = 0x04;
export const TAG_OID = 0x06;
export const TAG_SEQUENCE = 0x30;

const LONG_FORM = 0x80;
const MULTI_BYTE_TAG = 0x1f;
const LENGTH_BYTES_MAX = 3;

/** The bytes are not DER. */
export class DerError extends Error {
  override readonly name = 'DerError';
}

export interface DerElement {
  readonly tag: number;
  /** Its content. */
  readonly body: Buffer;
  /** All of it: tag, length and content. */
  readonly whole: Buffer;
}

/**
 * The elements that stand one behind the other in `bytes`.
 *
 * @throws DerError
 */
export function derElements(bytes: Buffer): DerElement[] {
  const elements: DerElement[] = [];
  let at = 0;
  while (at < bytes.length) {
    const element = elementAt(bytes, at);
    elements.push(element);
    at += element.whole.length;
  }
  return elements;
}

/** The elements inside of an element that must have this tag. @throws DerError */
export function derInside(element: DerElement | undefined, tag: number): DerElement[] {
  if (element?.tag !== tag) throw new DerError('an element is missing, or of another kind');
  return derElements(element.body);
}

function elementAt(bytes: Buffer, start: number): DerElement {
  const tag = byteAt(bytes, start);
  if ((tag & MULTI_BYTE_TAG) === MULTI_BYTE_TAG) throw new DerError('a tag of several bytes');
  const first = byteAt(bytes, start + 1);
  let from = start + 2;
  let length = first;
  if (first >= LONG_FORM) {
    const count = first - LONG_FORM;
    if (count === 0 || count > LENGTH_BYTES_MAX) throw new DerError('a length without bounds');
    length = 0;
    for (let place = 0; place < count; place++) length = length * 256 + byteAt(bytes, from + place);
    from += count;
    const isShortest = length >= LONG_FORM && length >= 256 ** (count - 1);
    if (!isShortest) throw new DerError('a length that is not in its shortest form');
  }
  const end = from + length;
  if (end > bytes.length) throw new DerError('an element that is longer than its bytes');
  return { tag, body: bytes.subarray(from, end), whole: bytes.subarray(start, end) };
}

function byteAt(bytes: Buffer, at: number): number {
  const byte = bytes[at];
  if (byte === undefined) throw new DerError('bytes that end too early');
  return byte;
}
