/**
 * Frames of a WebSocket as bytes, right ones and wrong ones: for raw peers.
 */
export interface FrameWish {
  readonly opcode?: number;
  readonly isFinal?: boolean;
  readonly payload?: Uint8Array | string;
  /** 4 bytes; absent: not masked. */
  readonly mask?: Uint8Array;
  /** Bits that are reserved for extensions, as they stand in the first byte. */
  readonly reserved?: number;
  /** Bytes in which the length is written; absent: as few as can be. */
  readonly lengthBytes?: 0 | 2 | 8;
}

export const TEXT = 1;
export const BINARY = 2;
export const CONTINUATION = 0;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

export const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);

export function frameOf(wish: FrameWish = {}): Buffer {
  const { opcode = TEXT, isFinal = true, payload = '', mask, reserved = 0 } = wish;
  const body = Buffer.from(payload);
  const usual = body.length < 126 ? 0 : body.length < 65_536 ? 2 : 8;
  const { lengthBytes = usual } = wish;
  const length = Buffer.alloc(lengthBytes);
  if (lengthBytes === 2) length.writeUInt16BE(body.length);
  if (lengthBytes === 8) length.writeBigUInt64BE(BigInt(body.length));
  const short = lengthBytes === 0 ? body.length : lengthBytes === 2 ? 126 : 127;
  const first = (isFinal ? 0x80 : 0) | reserved | opcode;
  const head = Buffer.from([first, (mask === undefined ? 0 : 0x80) | short]);
  if (mask === undefined) return Buffer.concat([head, length, body]);
  for (let at = 0; at < body.length; at += 1) body[at] = (body[at] ?? 0) ^ (mask[at % 4] ?? 0);
  return Buffer.concat([head, length, mask, body]);
}

export function closeOf(code: number, reason = '', mask?: Uint8Array): Buffer {
  const payload = Buffer.concat([Buffer.alloc(2), Buffer.from(reason)]);
  payload.writeUInt16BE(code);
  return frameOf({ opcode: CLOSE, payload, ...(mask && { mask }) });
}

/** The pieces of `bytes` between these places, in any order and more than once. */
export function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort(
    (a, b) => a - b,
  );
  const ends = [...sorted, bytes.length];
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}
