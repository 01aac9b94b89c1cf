/**
 * The text of `grpc-message`: UTF-8 in which all but printable ASCII is percent-encoded.
 *
 * Thread: any (pure).
 */

const PLAIN = /^[\x20-\x24\x26-\x7e]*$/;

/** Characters of a message that we write; the rest of a longer one is left out. */
const MESSAGE_CHARS_MAX = 1024;

export function encodeGrpcMessage(message: string): string {
  const text = message.length > MESSAGE_CHARS_MAX ? message.slice(0, MESSAGE_CHARS_MAX) : message;
  if (PLAIN.test(text) && !text.startsWith(' ') && !text.endsWith(' ')) return text;
  let encoded = '';
  const bytes = Buffer.from(text, 'utf8');
  for (const [at, byte] of bytes.entries()) {
    // A blank at either end would be no part of the field's value.
    const isEdge = byte === 0x20 && (at === 0 || at === bytes.length - 1);
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25 && !isEdge;
    encoded += isPlain
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}

/** What is not well encoded stays as it is: a message is never the reason of an error. */
export function decodeGrpcMessage(encoded: string): string {
  if (!encoded.includes('%')) return encoded;
  const latin1 = encoded.replace(/%([0-9A-Fa-f]{2})/g, (_match, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(latin1, 'latin1').toString('utf8');
}
