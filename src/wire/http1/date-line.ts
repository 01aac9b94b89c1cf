/**
 * The Date field of replies, which changes once a second.
 *
 * Thread: any (pure). Owns the bytes of the second that was asked for last.
 */
import { field } from '../../base/field-block.js';

let second = Number.NaN;
let line = Buffer.alloc(0);

// Hot path (bench/gateway/plain-get): once for every reply.
/** As a field block. `unixMs` is the time of the reply. */
export function dateLine(unixMs: number): Uint8Array {
  const now = Math.floor(unixMs / 1000);
  if (now !== second) {
    second = now;
    line = Buffer.from(field('Date', new Date(unixMs).toUTCString()), 'latin1');
  }
  return line;
}
