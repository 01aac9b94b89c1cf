/**
 * Frames that the gateway itself puts between those of the two ends: Close and Ping.
 *
 * Thread: any (pure). RFC 6455 5.2, 5.3 and 5.5. What goes to a server is masked, what goes to a
 * client is not.
 */

const CLOSE_BYTE = 0x88;
const PING_BYTE = 0x89;
const MASK_BIT = 0x80;
const MASK_BYTES = 4;
/** Of a control frame's payload; two of them are the code. */
const PAYLOAD_BYTES_MAX = 125;

/** Frames for a client are not masked. */
export const UNMASKED = null;

/** A Close with this code. `reason` is ASCII, and cut where it is too long. `mask`: 4 bytes. */
export function closeFrame(code: number, reason: string, mask: Uint8Array | null): Buffer {
  const text = Buffer.from(reason.slice(0, PAYLOAD_BYTES_MAX - 2), 'latin1');
  const payload = Buffer.alloc(2 + text.length);
  payload.writeUInt16BE(code, 0);
  text.copy(payload, 2);
  return frame(CLOSE_BYTE, payload, mask);
}

/** A Ping without a payload. */
export function pingFrame(mask: Uint8Array | null): Buffer {
  return frame(PING_BYTE, Buffer.alloc(0), mask);
}

function frame(first: number, payload: Buffer, mask: Uint8Array | null): Buffer {
  if (mask === null) return Buffer.concat([Buffer.from([first, payload.length]), payload]);
  for (let at = 0; at < payload.length; at += 1) {
    payload[at] = (payload[at] ?? 0) ^ (mask[at % MASK_BYTES] ?? 0);
  }
  return Buffer.concat([Buffer.from([first, payload.length | MASK_BIT]), mask, payload]);
}
