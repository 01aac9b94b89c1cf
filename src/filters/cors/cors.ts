/**
 * Answers preflights, and tells browsers which pages may read a reply.
 *
 * Thread: worker. CORS keeps pages from reading, not callers from calling: a request of a foreign
 * origin goes on, only its reply is not for that page. What the target says about origins is
 * replaced: one place decides.
 */
import type { FilterSteps, ReplyStep } from '../filter.js';
import { type CompiledCors, EVERY_FIELD } from './options.js';
import { originTest } from './origin-test.js';
import { preflightStep } from './preflight.js';

export function corsSteps(options: CompiledCors): FilterSteps<'enter' | 'replyHead'> {
  return { enter: preflightStep(options), replyHead: corsReplyStep(options) };
}

/** Tells on every reply whether the page that asked may read it. */
export function corsReplyStep(options: CompiledCors): ReplyStep {
  const isAllowed = originTest(options.origins);
  const isForAll = options.origins.includes('*');
  const exposed = options.exposeHeaders.join(', ');
  const namesFields = options.credentials && options.exposeHeaders.includes(EVERY_FIELD);
  return (head, { fields }) => {
    const keptOfPreflight = head.isLocal ? PREFLIGHT_FIELDS : NONE;
    head.removeWhere((name) => name.startsWith('access-control-') && !keptOfPreflight.has(name));
    if (!isForAll) head.addToken('Vary', 'Origin');
    const origin = fields.value('origin');
    if (origin === '' || !isAllowed(origin)) return;
    const names = namesFields ? head.names().join(', ') : exposed;
    head.add('Access-Control-Allow-Origin', isForAll ? '*' : origin);
    if (options.credentials) head.add('Access-Control-Allow-Credentials', 'true');
    if (names !== '') head.add('Access-Control-Expose-Headers', names);
  };
}

const NONE: ReadonlySet<string> = new Set();
const PREFLIGHT_FIELDS: ReadonlySet<string> = new Set([
  'access-control-allow-methods',
  'access-control-allow-headers',
  'access-control-max-age',
]);
