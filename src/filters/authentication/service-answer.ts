/**
 * What a client gets of the answer of a service that did not let its request in.
 *
 * Thread: worker. The client gets the status, the fields by which a login works, and the body.
 * Fields that only the gateway itself may write never come from a service.
 */
import { isUtf8 } from 'node:buffer';
import { type FieldBlock, field, joinFields, NO_FIELDS } from '../../base/field-block.js';
import { type LocalReply, plainReply } from '../local-reply.js';
import type { HttpAnswer } from './http-caller.js';
import { encodeControls } from './identity.js';

/** Ways to a login, what is remembered of it, challenges, and what protects a page. */
const PASSED_FIELDS = [
  'Location',
  'Set-Cookie',
  'WWW-Authenticate',
  'Retry-After',
  'Cache-Control',
  'Vary',
  'Content-Security-Policy',
  'Referrer-Policy',
  'X-Content-Type-Options',
  'X-Frame-Options',
];
/** They describe the body, and go where the body goes. */
const BODY_FIELDS = ['Content-Type', 'Content-Language'];

/** The answer as a reply. `extraFields`: names of fields that go to the client as well. */
export function answerForClient(answer: HttpAnswer, extraFields: readonly string[]): LocalReply {
  const { status, headers } = answer;
  const body = textOf(answer);
  const passed = [...PASSED_FIELDS, ...(body === '' ? [] : BODY_FIELDS)];
  const known = new Set(passed.map((name) => name.toLowerCase()));
  let fields = NO_FIELDS;
  for (const name of [...passed, ...extraFields.filter((extra) => !known.has(extra))]) {
    fields = joinFields(fields, fieldsNamed(headers, name));
  }
  // A cache that keeps the answer for one caller would send all others to the login as well.
  if (valuesOf(headers, 'cache-control').length === 0) {
    fields = joinFields(fields, field('Cache-Control', 'no-store'));
  }
  return plainReply(status, fields, body);
}

/** All values of a field; what cannot stand in a field is percent-encoded. */
export function valuesOf(headers: HttpAnswer['headers'], name: string): string[] {
  const value = headers[name.toLowerCase()];
  const values = Array.isArray(value) ? value : [value ?? ''];
  return values.map((one) => encodeControls(one.trim())).filter((one) => one !== '');
}

function fieldsNamed(headers: HttpAnswer['headers'], name: string): FieldBlock {
  return valuesOf(headers, name)
    .map((value) => field(name, value))
    .reduce(joinFields, NO_FIELDS);
}

/** The body, if it is a text within its bound and nothing has encoded it. */
function textOf({ headers, body }: HttpAnswer): string {
  if (body === null || !isUtf8(body)) return '';
  return headers['content-encoding'] === undefined ? body.toString('utf8') : '';
}
