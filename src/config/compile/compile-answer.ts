/**
 * Compiles who answers the requests of a route.
 *
 * Thread: any (pure). A part of compile-routes.ts; runs on a configuration that was checked. The
 * only file of config/ that tells the kinds of answers apart: a new kind has its lines here.
 */

import { assertNever, defined } from '../../base/assert.js';
import { compileRedirect, compileRespond } from '../../filters/fixed-reply/options.js';
import type { CompiledAnswer, CompiledConfig } from '../compiled-config.js';
import type { CompiledSplit, SplitSide } from '../compiled-split.js';
import type { RouteConfig, SplitConfig } from '../gateway-config.js';
import { DEFAULTS } from '../schema/defaults.js';

/** `upstreamIndexes`: by name. */
export function compileAnswer(
  { upstream, upstreams, respond, redirect, tokenService, ...route }: RouteConfig,
  upstreamIndexes: ReadonlyMap<string, number>,
): CompiledAnswer {
  if (respond !== undefined) return { kind: 'fixed', reply: compileRespond(respond) };
  if (redirect !== undefined) return { kind: 'fixed', reply: compileRedirect(redirect) };
  if (tokenService !== undefined) return { kind: 'tokens', endpoint: tokenService };
  const indexOf = (name = ''): number => defined(upstreamIndexes.get(name), 'a checked upstream');
  if (upstreams === undefined) return { kind: 'upstream', upstreamIndex: indexOf(upstream) };
  const sides = upstreams.map(({ name, weight }) => ({
    upstreamIndex: indexOf(name),
    name,
    weight: weight ?? DEFAULTS.split.weight,
  }));
  const split = compileSplit(route, sides);
  return { kind: 'upstream', upstreamIndex: indexOf(upstreams[0]?.name), split };
}

function compileSplit(
  { split = {}, authenticate }: RouteConfig,
  sides: readonly SplitSide[],
): CompiledSplit {
  const { key = authenticate === undefined ? 'clientIp' : 'consumer' } = split;
  return {
    sides,
    total: sides.reduce((sum, { weight }) => sum + weight, 0),
    key: keyOf(key),
    header: split.header?.toLowerCase() ?? '',
    cookie: split.cookie ?? '',
  };
}

function keyOf(key: NonNullable<SplitConfig['key']>): CompiledSplit['key'] {
  if (key === 'consumer' || key === 'clientIp') return { kind: key };
  const name = key.slice(key.indexOf(':') + 1);
  if (key.startsWith('cookie:')) return { kind: 'cookie', cookie: name };
  return { kind: 'header', header: name.toLowerCase() };
}

/** The answer in a few words: the name of the upstream, `respond 200`, `tokenService keys`. */
export function answerText(answer: CompiledAnswer, { upstreams }: CompiledConfig): string {
  switch (answer.kind) {
    case 'upstream':
      if (answer.split !== undefined) return splitText(answer.split);
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

function splitText({ sides }: CompiledSplit): string {
  return sides.map(({ name, weight }) => `${name} ${weight}`).join(', ');
}
