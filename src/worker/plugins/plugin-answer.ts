/**
 * A reply that a plugin gives.
 *
 * Thread: worker.
 */
import { type FieldBlock, field, joinFields, NO_FIELDS } from '../../base/field-block.js';
import { type LocalReply, plainReply } from '../../filters/local-reply.js';
import type { PluginReply } from '../../plugins/plugin.js';
import { fieldValue, replyFieldName } from './field-rules.js';
import { checkStatus } from './reply-facade.js';

/** Larger ones are a target's business. */
const BODY_CHARS_MAX = 1024 * 1024;

/** null: the plugin has given none. Throws where what it gave is no reply. */
export function answerOf(given: unknown): LocalReply | null {
  if (given === undefined || given === null) return null;
  if (typeof given !== 'object') throw new TypeError('a hook returns a reply, or nothing');
  const { status, headers = {}, body = '' } = given as PluginReply;
  checkStatus(status);
  if (typeof body !== 'string') throw new TypeError('the body of a reply is a text');
  if (body.length > BODY_CHARS_MAX) throw new TypeError('the body of a reply is too long');
  if (body !== '' && (status === 204 || status === 304)) {
    throw new TypeError(`a reply with ${status} has no body`);
  }
  let fields: FieldBlock = NO_FIELDS;
  for (const [name, values] of Object.entries(headers)) {
    for (const value of [values].flat()) {
      fields = joinFields(fields, field(replyFieldName(name), fieldValue(name, value)));
    }
  }
  return plainReply(status, fields, body);
}
