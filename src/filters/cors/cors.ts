/**
 * Answers preflights, and tells browsers which pages may read a reply.
 *
 * Thread: worker. CORS keeps pages from reading, not callers from calling: a request of a foreign
 * origin goes on, only its reply is not for that page. What the target says about origins is
 * replaced: one place decides.
 */
import { field, joinFields, NO_FIELDS } from '../../base/field-block.js';
import { PROBLEMS } from '../../base/problems.js';
import type { FilterSteps, ReplyStep, RequestStep } from '../filter.js';
import { plainReply, refusal } from '../local-reply.js';
import type { CompiledCors } from './options.js';
import { requestedMethod } from './preflight.js';

const VARY_PREFLIGHT = field(
  'Vary',
  'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
);

export function corsSteps(options: CompiledCors): FilterSteps<'enter' | 'replyHead'> {
  return { enter: preflightStep(options), replyHead: corsReplyStep(options) };
}

/** Answers every preflight; nothing of it reaches the target. */
export function preflightStep(options: CompiledCors): RequestStep {
  const isAllowed = originTest(options.origins);
  const allowedHeaders = new Set(options.headers);
  const granted = [
    field('Access-Control-Allow-Methods', options.methods.join(', ')),
    options.headers.length === 0
      ? NO_FIELDS
      : field('Access-Control-Allow-Headers', options.headers.join(', ')),
    field('Access-Control-Max-Age', String(options.maxAgeSeconds)),
    VARY_PREFLIGHT,
  ].reduce(joinFields);
  const refuse = (detail: string) =>
    refusal(PROBLEMS.corsRefused, detail, { fields: VARY_PREFLIGHT });
  return ({ method, fields }) => {
    const requested = requestedMethod(method, fields);
    if (requested === '') return null;
    if (!isAllowed(fields.value('origin'))) return refuse('This origin may not call.');
    if (!options.methods.includes(requested)) return refuse('This method may not be used.');
    const headers = fields.values('access-control-request-headers').join(',').split(',');
    const isOneForeign = headers.some((name) => {
      const lower = name.trim().toLowerCase();
      return lower !== '' && !allowedHeaders.has(lower);
    });
    if (isOneForeign) return refuse('One of these header fields may not be sent.');
    // The answer to the page itself is the reply step's, as for every other reply.
    return plainReply(204, granted);
  };
}

/** Tells on every reply whether the page that asked may read it. */
export function corsReplyStep(options: CompiledCors): ReplyStep {
  const isAllowed = originTest(options.origins);
  const isForAll = options.origins.includes('*');
  const exposed = options.exposeHeaders.join(', ');
  return (head, { fields }) => {
    const keptOfPreflight = head.isLocal ? PREFLIGHT_FIELDS : NONE;
    head.removeWhere((name) => name.startsWith('access-control-') && !keptOfPreflight.has(name));
    if (!isForAll) head.addToken('Vary', 'Origin');
    const origin = fields.value('origin');
    if (origin === '' || !isAllowed(origin)) return;
    head.add('Access-Control-Allow-Origin', isForAll ? '*' : origin);
    if (options.credentials) head.add('Access-Control-Allow-Credentials', 'true');
    if (exposed !== '') head.add('Access-Control-Expose-Headers', exposed);
  };
}

const NONE: ReadonlySet<string> = new Set();
const PREFLIGHT_FIELDS: ReadonlySet<string> = new Set([
  'access-control-allow-methods',
  'access-control-allow-headers',
  'access-control-max-age',
]);

/** Exact, but for hosts below one that is written `*.`. */
function originTest(origins: readonly string[]): (origin: string) => boolean {
  if (origins.includes('*')) return () => true;
  const exact = new Set(origins);
  const below = origins
    .filter((origin) => origin.includes('://*.'))
    .map((origin) => {
      const [scheme = '', rest = ''] = origin.split('*');
      return { scheme, rest };
    });
  return (origin) =>
    exact.has(origin) ||
    below.some(
      ({ scheme, rest }) =>
        origin.startsWith(scheme) &&
        origin.endsWith(rest) &&
        /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(
          origin.slice(scheme.length, origin.length - rest.length),
        ),
    );
}
