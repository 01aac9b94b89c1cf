/**
 * What a preflight asks about, and what it is answered.
 *
 * Thread: worker. Apart from the filter, since a preflight goes to the route of the request that it
 * asks about before that route has a say.
 */
import { type FieldBlock, field, joinFields, NO_FIELDS } from '../../base/field-block.js';
import { PROBLEMS } from '../../base/problems.js';
import type { FieldView, RequestStep } from '../filter.js';
import { plainReply, refusal } from '../local-reply.js';
import { type CompiledCors, EVERY_FIELD } from './options.js';
import { originTest } from './origin-test.js';

const VARY_PREFLIGHT = field(
  'Vary',
  'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
);

/** Answers every preflight; nothing of it reaches the target. */
export function preflightStep(options: CompiledCors): RequestStep {
  const isAllowed = originTest(options.origins);
  const judgeHeaders = headerJudge(options);
  const granted = joinFields(
    field('Access-Control-Allow-Methods', options.methods.join(', ')),
    joinFields(field('Access-Control-Max-Age', String(options.maxAgeSeconds)), VARY_PREFLIGHT),
  );
  const refuse = (detail: string) =>
    refusal(PROBLEMS.corsRefused, detail, { fields: VARY_PREFLIGHT });
  return ({ method, fields }) => {
    const requested = requestedMethod(method, fields);
    if (requested === '') return null;
    if (!isAllowed(fields.value('origin'))) return refuse('This origin may not call.');
    if (!options.methods.includes(requested)) return refuse('This method may not be used.');
    const allowed = judgeHeaders(namesIn(fields.values('access-control-request-headers')));
    if (allowed === null) return refuse('One of these header fields may not be sent.');
    // The answer to the page itself is the reply step's, as for every other reply.
    return plainReply(204, joinFields(allowed, granted));
  };
}

/** Says what a page is told of the fields that it wants to send; null: one may not be sent. */
type HeaderJudge = (names: readonly string[]) => FieldBlock | null;

function headerJudge({ headers, credentials }: CompiledCors): HeaderJudge {
  const allowedHeaders = new Set(headers);
  const answer =
    headers.length === 0 ? NO_FIELDS : field('Access-Control-Allow-Headers', headers.join(', '));
  if (!allowedHeaders.has(EVERY_FIELD)) {
    return (names) => (names.every((name) => allowedHeaders.has(name)) ? answer : null);
  }
  // Fetch, 3.2.5: with credentials a star is a name like others, so that names are repeated; and
  // without credentials it never stands for Authorization.
  if (credentials) {
    return (names) => {
      if (!names.every((name) => TOKEN.test(name))) return null;
      return names.length === 0
        ? NO_FIELDS
        : field('Access-Control-Allow-Headers', names.join(', '));
    };
  }
  const mayAuthorize = allowedHeaders.has(AUTHORIZATION);
  return (names) => (mayAuthorize || !names.includes(AUTHORIZATION) ? answer : null);
}

const AUTHORIZATION = 'authorization';
const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;

function namesIn(lists: readonly string[]): string[] {
  const names = lists.join(',').split(',');
  return names.map((name) => name.trim().toLowerCase()).filter((name) => name !== '');
}

/** The method of the request that a preflight asks about; '': the request is no preflight. */
export function requestedMethod(method: string, fields: FieldView): string {
  if (method !== 'OPTIONS' || fields.value('origin') === '') return '';
  return fields.value('access-control-request-method');
}
