/**
 * The kinds of answerers: a new kind is one file and one line here.
 *
 * Thread: worker.
 */
import type { AdmissionGate } from '../admission/admission-gate.js';
import type { CacheLink } from '../cache/cache-link.js';
import type { Mirrors } from '../mirror/mirrors.js';
import type { FilterRunner } from '../request/filter-runner.js';
import type { AnswerPlan } from '../route/answer-plan.js';
import type { RetryLoop } from '../tries/retry-loop.js';
import type { Answerer, AnswerSink } from './answerer.js';
import { CachedAnswerer } from './cached-answerer.js';
import { FixedAnswerer } from './fixed-answerer.js';
import { LoginAnswerer, type LoginAnswererParts } from './login-answerer.js';
import { TokensAnswerer, type TokensAnswererParts } from './tokens-answerer.js';
import { UpstreamAnswerer } from './upstream-answerer.js';

export interface AnswererParts extends TokensAnswererParts, LoginAnswererParts {
  readonly filters: FilterRunner;
  readonly gate: AdmissionGate;
  readonly cache: CacheLink;
  readonly tries: RetryLoop;
  readonly mirrors: Mirrors;
}

/** By kind. */
export type Answerers = { readonly [Kind in AnswerPlan['kind']]: Answerer };

export function createAnswerers(parts: AnswererParts, sink: AnswerSink): Answerers {
  const cached = new CachedAnswerer({ ...parts, cache: parts.cache.cache }, sink);
  parts.cache.connect((exchange) => cached.goOn(exchange));
  return {
    cached,
    upstream: new UpstreamAnswerer(parts, sink),
    fixed: new FixedAnswerer(parts.filters),
    tokens: new TokensAnswerer(parts, sink),
    login: new LoginAnswerer(parts, sink),
  };
}
