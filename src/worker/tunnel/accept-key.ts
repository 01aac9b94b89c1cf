/**
 * The answer to a Sec-WebSocket-Key, which shows that it was understood.
 *
 * Thread: worker. RFC 6455 1.3 and 4.2.2: it is no secret, and SHA-1 protects nothing here.
 */
import { createHash } from 'node:crypto';

const SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** The value of Sec-WebSocket-Accept for this key. */
export function acceptOf(key: string): string {
  return createHash('sha1')
    .update(key + SUFFIX, 'latin1')
    .digest('base64');
}
