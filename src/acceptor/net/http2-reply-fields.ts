/**
 * The fields of a reply's head as HTTP/2 has them.
 *
 * Thread: acceptor. The text of a lane is the value of X-Request-Id and a field block; Date and
 * Content-Length are the engine's to write, as in HTTP/1.1. RFC 9110 6.6.1 and 8.6.
 */
import {
  type FieldBlock,
  field,
  fieldsOfBytes,
  joinFields,
  NO_FIELDS,
} from '../../base/field-block.js';
import { REQUEST_ID_FIELD } from '../../base/request-id.js';
import { endsInDate } from '../../channel/records/response-head.js';
import { dateLine } from '../../wire/http1/date-line.js';
import type { ReplyHead } from '../client-engine.js';

const NO_CONTENT = 204;

let dateBytes: Uint8Array = new Uint8Array(0);
let date = NO_FIELDS;

// Hot path (bench/gateway/plain-get): once for every reply.
/** `bodyBytes`: what Content-Length says, -1 for none; `unixMs`: the time of the reply. */
export function replyFields(
  { status, text }: ReplyHead,
  bodyBytes: number,
  unixMs: number,
): FieldBlock {
  // The block stands behind the value, and one decoding is enough for both.
  const fields = field(REQUEST_ID_FIELD, fieldsOfBytes(text));
  const dated = endsInDate(text) ? fields : joinFields(fields, dateField(unixMs));
  const hasLength = bodyBytes >= 0 && status >= 200 && status !== NO_CONTENT;
  return hasLength ? joinFields(dated, field('content-length', String(bodyBytes))) : dated;
}

/** The text of the second's line, which is made once. */
function dateField(unixMs: number): FieldBlock {
  const bytes = dateLine(unixMs);
  if (bytes !== dateBytes) {
    dateBytes = bytes;
    date = fieldsOfBytes(bytes);
  }
  return date;
}
