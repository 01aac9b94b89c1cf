/**
 * Says that a route is deprecated, and ends it when its time has come.
 *
 * Thread: worker. RFC 9745 (Deprecation), RFC 8594 (Sunset).
 */
import { PROBLEMS } from '../../base/problems.js';
import type { FilterSteps, ReplyStep, RequestStep } from '../filter.js';
import { refusal } from '../local-reply.js';
import type { CompiledDeprecation, CompiledVersion } from './options.js';

export function deprecationSteps(
  options: CompiledDeprecation,
  unixMs: () => number,
): FilterSteps<'enter' | 'replyHead'> {
  return { enter: sunsetStep(options, unixMs), replyHead: deprecationStep(options) };
}

export function versionSteps({ varyField }: CompiledVersion): FilterSteps<'replyHead'> {
  return { replyHead: varyStep(varyField) };
}

/** Refuses every request from the sunset on; null: there is none. */
export function sunsetStep(
  { sunsetMs }: CompiledDeprecation,
  unixMs: () => number,
): RequestStep | null {
  if (sunsetMs < 0) return null;
  const day = new Date(sunsetMs).toISOString().slice(0, 10);
  const gone = refusal(PROBLEMS.versionGone, `This version was withdrawn on ${day}.`);
  return () => (unixMs() >= sunsetMs ? gone : null);
}

/** Tells on every reply, the 410 included. */
export function deprecationStep(options: CompiledDeprecation): ReplyStep {
  const { sinceSeconds, sunsetMs, link } = options;
  const relations = [
    ...(sinceSeconds < 0 ? [] : ['deprecation']),
    ...(sunsetMs < 0 ? [] : ['sunset']),
  ];
  const sunset = new Date(sunsetMs).toUTCString();
  return (head) => {
    if (sinceSeconds >= 0) head.set('Deprecation', `@${sinceSeconds}`);
    if (sunsetMs >= 0) head.set('Sunset', sunset);
    if (link !== '') head.add('Link', `<${link}>; rel="${relations.join(' ')}"`);
  };
}

/** Tells caches by which field of the request the reply was chosen. */
function varyStep(field: string): ReplyStep {
  return (head) => head.addToken('Vary', field);
}
