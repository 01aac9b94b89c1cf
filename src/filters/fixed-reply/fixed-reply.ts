/**
 * Replies without an upstream: a text, or where else to go.
 *
 * Thread: worker.
 */
import { field, joinFields, NO_FIELDS } from '../../base/field-block.js';
import { PROBLEMS } from '../../base/problems.js';
import type { RequestStep, RequestView } from '../filter.js';
import { plainReply, refusal } from '../local-reply.js';
import { compileTemplate, type TemplatePlace } from '../template.js';
import type { CompiledFixedReply } from './options.js';

/** Answers every request. */
export function fixedReplyStep(options: CompiledFixedReply): RequestStep {
  const body = compileTemplate(options.body, placeIn(options.contentType));
  const location = options.location === '' ? null : compileTemplate(options.location, 'path');
  const headers = options.headers.map(([name, text]) => ({
    name,
    value: compileTemplate(text, 'field'),
  }));
  return (request) => {
    let fields = options.body === '' ? NO_FIELDS : field('Content-Type', options.contentType);
    if (location !== null) {
      const to = location(request);
      if (to === null)
        return refusal(
          PROBLEMS.rewriteFailed,
          'The URL of the redirect cannot be built from this request.',
        );
      const whole = options.keepQuery ? withQuery(to, request) : to;
      fields = joinFields(fields, field('Location', whole));
    }
    for (const { name, value } of headers) {
      const text = value(request);
      if (text !== null) fields = joinFields(fields, field(name, text));
    }
    return plainReply(options.status, fields, body(request) ?? '');
  };
}

/** Values of a request must not become structure. */
function placeIn(contentType: string): TemplatePlace {
  if (/json/i.test(contentType)) return 'jsonString';
  return /html|xml/i.test(contentType) ? 'markup' : 'plain';
}

function withQuery(to: string, { query }: RequestView): string {
  if (query.length < 2) return to;
  return to.includes('?') ? `${to}&${query.slice(1)}` : to + query;
}
