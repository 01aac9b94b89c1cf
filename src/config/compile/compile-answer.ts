/**
 * Compiles who answers the requests of a route.
 *
 * Thread: any (pure). A part of compile-routes.ts; runs on a configuration that was checked. The
 * only file of config/ that tells the kinds of answers apart: a new kind has its lines here.
 */
import { assertNever, defined } from '../../base/assert.js';
import { compileRedirect, compileRespond } from '../../filters/fixed-reply/options.js';
import type { CompiledAnswer, CompiledConfig } from '../compiled-config.js';
import type { RouteConfig } from '../gateway-config.js';

/** `upstreamIndexes`: by name. */
export function compileAnswer(
  { upstream, respond, redirect, tokenService }: RouteConfig,
  upstreamIndexes: ReadonlyMap<string, number>,
): CompiledAnswer {
  if (respond !== undefined) return { kind: 'fixed', reply: compileRespond(respond) };
  if (redirect !== undefined) return { kind: 'fixed', reply: compileRedirect(redirect) };
  if (tokenService !== undefined) return { kind: 'tokens', endpoint: tokenService };
  const upstreamIndex = defined(upstreamIndexes.get(upstream ?? ''), 'a checked upstream');
  return { kind: 'upstream', upstreamIndex };
}

/** The answer in a few words: the name of the upstream, `respond 200`, `tokenService keys`. */
export function answerText(answer: CompiledAnswer, { upstreams }: CompiledConfig): string {
  switch (answer.kind) {
    case 'upstream':
      return defined(
        upstreams.find(({ index }) => index === answer.upstreamIndex),
        'the upstream of a route',
      ).name;
    case 'fixed': {
      const { status, location } = answer.reply;
      return `${location === '' ? 'respond' : 'redirect'} ${status}`;
    }
    case 'tokens':
      return `tokenService ${answer.endpoint}`;
    default:
      return assertNever(answer);
  }
}
