/**
 * Compiles who answers the requests of a route.
 *
 * Thread: any (pure). A part of compile-routes.ts; runs on a configuration that was checked. The
 * only file of config/ that tells the kinds of answers apart: a new kind has its lines here.
 */

import { assertNever, defined } from '../../base/assert.js';
import { durationMs } from '../../base/quantities.js';
import { compileRedirect, compileRespond } from '../../filters/fixed-reply/options.js';
import type { CompiledAnswer, CompiledConfig } from '../compiled-config.js';
import type {
  CompiledGuard,
  CompiledRollout,
  CompiledSplit,
  SplitSide,
} from '../compiled-split.js';
import type { RouteConfig, SplitConfig } from '../gateway-config.js';
import { DEFAULTS } from '../schema/defaults.js';

/** A share is in ten-thousandths. */
const SHARE_OF_PERCENT = 100;

/** Indexes by name. */
export interface NamedIndexes {
  readonly upstreamIndexes: ReadonlyMap<string, number>;
  readonly authenticatorIndexes: ReadonlyMap<string, number>;
}

/** A split that is rolled out is added to `rollouts`. */
export function compileAnswer(
  { upstream, upstreams, respond, redirect, tokenService, login, ...route }: RouteConfig,
  { upstreamIndexes, authenticatorIndexes }: NamedIndexes,
  rollouts: CompiledRollout[],
): CompiledAnswer {
  if (respond !== undefined) return { kind: 'fixed', reply: compileRespond(respond) };
  if (redirect !== undefined) return { kind: 'fixed', reply: compileRedirect(redirect) };
  if (tokenService !== undefined) return { kind: 'tokens', endpoint: tokenService };
  if (login !== undefined) {
    const index = defined(authenticatorIndexes.get(login), 'a checked authenticator');
    return { kind: 'login', authenticatorIndex: index };
  }
  const indexOf = (name = ''): number => defined(upstreamIndexes.get(name), 'a checked upstream');
  if (upstreams === undefined) return { kind: 'upstream', upstreamIndex: indexOf(upstream) };
  const sides = upstreams.map(({ name, weight }) => ({
    upstreamIndex: indexOf(name),
    name,
    weight: weight ?? DEFAULTS.split.weight,
  }));
  const rollout = compileRollout(route, sides);
  if (rollout !== null) rollouts.push({ ...rollout, index: rollouts.length });
  const split = {
    ...compileSplit(route, sides),
    ...(rollout !== null && { rollout: rollouts.length - 1 }),
  };
  return { kind: 'upstream', upstreamIndex: indexOf(upstreams[0]?.name), split };
}

function compileSplit(
  { split = {}, authenticate }: RouteConfig,
  sides: readonly SplitSide[],
): CompiledSplit {
  const { key = authenticate === undefined ? 'clientIp' : 'consumer', refuse } = split;
  const { status = DEFAULTS.split.refuse.status, weight: refused = 0 } = refuse ?? {};
  return {
    sides,
    total: sides.reduce((sum, { weight }) => sum + weight, refused),
    ...(refused > 0 && { refuse: { weight: refused, reply: compileRespond({ status }) } }),
    key: keyOf(key),
    header: split.header?.toLowerCase() ?? '',
    cookie: split.cookie ?? '',
  };
}

/** null: the weights say what the sides have, and nothing moves them. */
function compileRollout(
  { name, split = {} }: RouteConfig,
  sides: readonly SplitSide[],
): Omit<CompiledRollout, 'index'> | null {
  const { ramp, guard } = split;
  const [old, next] = sides;
  if ((ramp === undefined && guard === undefined) || old === undefined || next === undefined) {
    return null;
  }
  const fixed = (100 * next.weight) / (old.weight + next.weight);
  const { from, to } = ramp ?? { from: fixed, to: fixed };
  return {
    route: name,
    oldSide: old.name,
    newSide: next.name,
    fromShare: Math.round((from ?? DEFAULTS.split.ramp.from) * SHARE_OF_PERCENT),
    toShare: Math.round((to ?? DEFAULTS.split.ramp.to) * SHARE_OF_PERCENT),
    overMs: ramp === undefined ? 0 : durationMs(ramp.over),
    guard: guard === undefined ? null : compileGuard({ ...DEFAULTS.split.guard, ...guard }),
  };
}

/** Of a split, or of a reload on trial. */
export function compileGuard({
  errors,
  p99,
  minRequests,
}: {
  readonly errors?: string;
  readonly p99?: string;
  readonly minRequests: number;
}): CompiledGuard {
  return { errorsFactor: factorOf(errors), p99Factor: factorOf(p99), minRequests };
}

/** `1.5x`; 0: not judged. */
function factorOf(text: string | undefined): number {
  return text === undefined ? 0 : Number.parseFloat(text);
}

function keyOf(key: NonNullable<SplitConfig['key']>): CompiledSplit['key'] {
  if (key === 'consumer' || key === 'clientIp' || key === 'request') return { kind: key };
  const name = key.slice(key.indexOf(':') + 1);
  if (key.startsWith('cookie:')) return { kind: 'cookie', cookie: name };
  return { kind: 'header', header: name.toLowerCase() };
}

/** The answer in a few words: the name of the upstream, `respond 200`, `tokenService keys`. */
export function answerText(
  answer: CompiledAnswer,
  { upstreams, authenticators }: CompiledConfig,
): string {
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
    case 'login':
      return `login ${authenticators[answer.authenticatorIndex]?.name ?? ''}`;
    default:
      return assertNever(answer);
  }
}

function splitText({ sides, refuse }: CompiledSplit): string {
  const parts = sides.map(({ name, weight }) => `${name} ${weight}`);
  if (refuse !== undefined) parts.push(`respond ${refuse.reply.status} ${refuse.weight}`);
  return parts.join(', ');
}
