/**
 * Gives the reply that the configuration has for a route: `respond` and `redirect`.
 *
 * Thread: worker. Needs nothing of the request body, which may never come.
 */
import { assert, defined } from '../../base/assert.js';
import { type Exchange, routeOf } from '../exchange/exchange.js';
import type { FilterRunner } from '../request/filter-runner.js';
import { Answerer, type AnswerResult } from './answerer.js';

export class FixedAnswerer extends Answerer {
  constructor(private readonly filters: Pick<FilterRunner, 'run'>) {
    super();
  }

  override answer(exchange: Exchange): AnswerResult {
    const { answer } = routeOf(exchange);
    assert(answer.kind === 'fixed', 'the route has a fixed reply');
    return defined(this.filters.run(exchange, answer.steps), 'a fixed reply');
  }
}
