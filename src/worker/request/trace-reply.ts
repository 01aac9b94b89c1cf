/**
 * Answers TRACE in the target's place: the head of the request as the gateway got it.
 *
 * Thread: worker. RFC 9110 9.3.8. Whatever may be a credential is left out: a page could otherwise
 * read what its browser or a proxy has added.
 */
import { field } from '../../base/field-block.js';
import { type LocalReply, plainReply } from '../../filters/local-reply.js';
import type { RequestHead } from '../exchange/request-head.js';

const CREDENTIALS = /auth|cookie|key|token|secret|session|password|signature|certificate|cert$/;

export function traceReply({ method, target, fields }: Readonly<RequestHead>): LocalReply {
  const lines = [`${method} ${target} HTTP/1.1`];
  const all = fields.all();
  for (let at = 0; at + 1 < all.length; at += 2) {
    const name = all[at] ?? '';
    if (!CREDENTIALS.test(name)) lines.push(`${name}: ${all[at + 1]}`);
  }
  const text = `${lines.join('\r\n')}\r\n\r\n`;
  return plainReply(200, field('Content-Type', 'message/http'), text.replace(/[^\r\n -~]/g, '?'));
}
