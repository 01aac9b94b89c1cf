/**
 * Status lines with their reason phrases.
 *
 * Thread: acceptor. The phrase is always written: a status line without the space behind the
 * code is malformed (RFC 9112 section 4). The origin's own phrase is not kept.
 */
import { STATUS_CODES } from 'node:http';

const lines = new Map<number, string>();

/** `200 OK`, `599 Unknown`. */
export function statusLine(status: number): string {
  const known = lines.get(status);
  if (known !== undefined) return known;
  const line = `${status} ${STATUS_CODES[status] ?? 'Unknown'}`;
  lines.set(status, line);
  return line;
}
