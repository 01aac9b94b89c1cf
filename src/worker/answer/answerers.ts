/**
 * The kinds of answerers: a new kind is one file and one line here.
 *
 * Thread: worker.
 */
import type { FilterRunner } from '../request/filter-runner.js';
import type { AnswerPlan } from '../route/answer-plan.js';
import type { RetryLoop } from '../tries/retry-loop.js';
import type { Answerer, AnswerSink } from './answerer.js';
import { FixedAnswerer } from './fixed-answerer.js';
import { TokensAnswerer, type TokensAnswererParts } from './tokens-answerer.js';
import { UpstreamAnswerer } from './upstream-answerer.js';

export interface AnswererParts extends TokensAnswererParts {
  readonly filters: FilterRunner;
  readonly tries: RetryLoop;
}

/** By kind. */
export type Answerers = { readonly [Kind in AnswerPlan['kind']]: Answerer };

export function createAnswerers(parts: AnswererParts, sink: AnswerSink): Answerers {
  return {
    upstream: new UpstreamAnswerer(parts.filters, parts.tries),
    fixed: new FixedAnswerer(parts.filters),
    tokens: new TokensAnswerer(parts, sink),
  };
}
