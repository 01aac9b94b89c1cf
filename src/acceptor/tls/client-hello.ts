/**
 * Reads what a ClientHello says before any cryptography: the server's name (RFC 6066 3) and the
 * application protocols (RFC 7301).
 *
 * Thread: any (pure). Owns the bytes of one hello until it is complete. Nothing is refused here
 * that OpenSSL would take, but for what no client sends: more than HELLO_BYTES_MAX or RECORDS_MAX.
 * OpenSSL reads the same bytes again and judges them.
 */
import { isIPv6 } from 'node:net';

/** A hello with a post-quantum key share and a session ticket has 2 to 4 KiB. */
export const HELLO_BYTES_MAX = 16 * 1024;
const RECORDS_MAX = 64;

const RECORD_HEAD_BYTES = 5;
const HANDSHAKE_HEAD_BYTES = 4;
const RECORD_HANDSHAKE = 22;
const CLIENT_HELLO = 1;
/** Version and random value, which the lists begin behind. */
const FIXED_BYTES = 34;
const EXTENSION_SERVER_NAME = 0;
const EXTENSION_ALPN = 16;
const NAME_BYTES_MAX = 253;
const NAME = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/;

export interface ClientHello {
  /** ASCII, lower case; empty: the client named none. */
  readonly serverName: string;
  readonly protocols: readonly string[];
}

/** `wrong`: this is no ClientHello, or one that nobody would send. */
export type HelloReading = ClientHello | 'more' | 'wrong';

export class ClientHelloReader {
  private readonly chunks: Buffer[] = [];
  private bytes = 0;
  /** Nothing new can be said before this many bytes have come. */
  private bytesNeeded = RECORD_HEAD_BYTES;

  /** All bytes that came. */
  get received(): Buffer {
    if (this.chunks.length > 1) this.chunks.splice(0, this.chunks.length, this.joined());
    return this.chunks[0] ?? Buffer.alloc(0);
  }

  read(chunk: Buffer): HelloReading {
    this.chunks.push(chunk);
    this.bytes += chunk.length;
    const first = this.chunks[0]?.[0];
    if (first !== undefined && first !== RECORD_HANDSHAKE) return 'wrong';
    if (this.bytes < this.bytesNeeded) return 'more';
    return this.assemble(this.received);
  }

  private joined(): Buffer {
    return Buffer.concat(this.chunks);
  }

  /** Takes the records apart: a message may lie in several. */
  private assemble(all: Buffer): HelloReading {
    const parts: Buffer[] = [];
    let have = 0;
    let end = 0;
    let at = 0;
    for (let record = 0; record < RECORDS_MAX; record += 1) {
      if (all.length < at + RECORD_HEAD_BYTES) return this.need(at + RECORD_HEAD_BYTES);
      if (all[at] !== RECORD_HANDSHAKE || all[at + 1] !== 3) return 'wrong';
      const length = all.readUInt16BE(at + 3);
      at += RECORD_HEAD_BYTES;
      if (length === 0 || at + length > HELLO_BYTES_MAX) return 'wrong';
      if (all.length < at + length) return this.need(at + length);
      parts.push(all.subarray(at, at + length));
      have += length;
      at += length;
      if (end === 0 && have >= HANDSHAKE_HEAD_BYTES) end = messageEnd(Buffer.concat(parts));
      if (end > HELLO_BYTES_MAX) return 'wrong';
      if (end === 0 || have < end) continue;
      return readMessage(Buffer.concat(parts).subarray(HANDSHAKE_HEAD_BYTES, end));
    }
    return 'wrong';
  }

  private need(bytes: number): 'more' {
    this.bytesNeeded = bytes;
    return 'more';
  }
}

/** Where the first message ends; infinity: it is no ClientHello. */
function messageEnd(message: Buffer): number {
  if (message[0] !== CLIENT_HELLO) return Number.POSITIVE_INFINITY;
  return HANDSHAKE_HEAD_BYTES + message.readUIntBE(1, 3);
}

function readMessage(body: Buffer): HelloReading {
  let at = FIXED_BYTES;
  // Session id, cipher suites and compression methods, each behind its length.
  for (const lengthBytes of [1, 2, 1]) {
    if (at + lengthBytes > body.length) return 'wrong';
    at += lengthBytes + body.readUIntBE(at, lengthBytes);
  }
  if (at === body.length) return { serverName: '', protocols: [] };
  const extensions = vector(body, at);
  if (extensions === null || at + 2 + extensions.length !== body.length) return 'wrong';
  return readExtensions(extensions);
}

function readExtensions(all: Buffer): HelloReading {
  let serverName = '';
  let protocols: readonly string[] = [];
  let at = 0;
  while (at < all.length) {
    const content = at + 2 <= all.length ? vector(all, at + 2) : null;
    if (content === null) return 'wrong';
    const kind = all.readUInt16BE(at);
    at += 4 + content.length;
    if (kind === EXTENSION_SERVER_NAME) {
      const name = readName(content);
      if (name === null) return 'wrong';
      serverName = name;
    } else if (kind === EXTENSION_ALPN) {
      const names = readProtocols(content);
      if (names === null) return 'wrong';
      protocols = names;
    }
  }
  return { serverName, protocols };
}

/** The list has one name of the one kind that there is (0: host name). */
function readName(content: Buffer): string | null {
  const list = vector(content, 0);
  if (list === null || list.length < 3 || list[0] !== 0) return null;
  const name = vector(list, 1);
  if (name === null || name.length + 3 !== list.length || name.length > NAME_BYTES_MAX) return null;
  return serverNameOf(name.toString('latin1'));
}

/**
 * The name of a server as certificates have it; null: it is none. Some clients write a dot at its
 * end (RFC 6066 3 has none), or an address of IPv6, which counts as no name at all.
 */
export function serverNameOf(sent: string): string | null {
  const text = sent.toLowerCase().replace(/\.$/, '');
  if (NAME.test(text)) return text;
  return isIPv6(text) ? '' : null;
}

function readProtocols(content: Buffer): readonly string[] | null {
  const list = vector(content, 0);
  if (list === null) return null;
  const names: string[] = [];
  let at = 0;
  while (at < list.length) {
    const length = list.readUInt8(at);
    at += 1;
    if (length === 0 || at + length > list.length) return null;
    names.push(list.toString('latin1', at, at + length));
    at += length;
  }
  return names;
}

/** What stands behind a length of two bytes; null: it is not all there. */
function vector(bytes: Buffer, at: number): Buffer | null {
  if (at + 2 > bytes.length) return null;
  const end = at + 2 + bytes.readUInt16BE(at);
  return end > bytes.length ? null : bytes.subarray(at + 2, end);
}
