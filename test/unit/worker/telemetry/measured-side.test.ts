/** What counts for a side of a split, and what does not. */
import { describe, expect, it } from 'vitest';
import { latencyBucket } from '../../../../src/base/latency-buckets.js';
import { PROBLEMS, type ProblemKind } from '../../../../src/base/problems.js';
import { SIDE_NEW } from '../../../../src/channel/coordinator/rollout-memory.js';
import type { Exchange } from '../../../../src/worker/exchange/exchange.js';
import type { TryInFlight } from '../../../../src/worker/exchange/try-in-flight.js';
import { countSide } from '../../../../src/worker/telemetry/measured-side.js';
import { makeExchange } from '../../../support/make-exchange.js';

const TRY = { targetIndex: 3 } as TryInFlight;

/** What was counted: null, or whether it is an error and in which bucket. */
function counted(happened: (exchange: Exchange) => void): readonly [boolean, number] | null {
  const exchange = makeExchange();
  happened(exchange);
  let found: readonly [boolean, number] | null = null;
  const count = (_row: number, _side: number, isError: boolean, bucket: number): void => {
    found = [isError, bucket];
  };
  countSide({ count }, { rollout: 1, side: SIDE_NEW }, exchange);
  return found;
}

function answered(exchange: Exchange, status: number): void {
  exchange.tries.onSent(TRY);
  exchange.tries.onHead(25);
  exchange.tries.onAnswered(TRY, status);
}

const refused = (exchange: Exchange, problem: ProblemKind): void =>
  exchange.reply.onLocal({ status: problem.status, problem, cause: '' }, false);

describe('a side has', () => {
  const bucket = latencyBucket(25);

  it.each([
    [200, false],
    [404, false],
    [429, false],
    [500, true],
    [503, true],
  ])('a reply with %i of its target', (status, isError) => {
    expect(counted((exchange) => answered(exchange, status))).toEqual([isError, bucket]);
  });

  it.each([
    PROBLEMS.connectFailed,
    PROBLEMS.responseTimeout,
    PROBLEMS.upstreamReset,
    PROBLEMS.circuitOpen,
    PROBLEMS.noHealthyTarget,
  ])('an error without a latency where nobody answers: $code', (problem) => {
    expect(counted((exchange) => refused(exchange, problem))).toEqual([true, -1]);
  });

  it('an error where its target breaks off', () => {
    const found = counted((exchange) => {
      answered(exchange, 200);
      exchange.reply.begin(10);
      exchange.reply.onCut(null);
    });
    expect(found).toEqual([true, bucket]);
  });

  it('what its target had said to a client that left', () => {
    const found = counted((exchange) => {
      answered(exchange, 200);
      exchange.reply.begin(10);
      exchange.reply.onClientLeft();
    });
    expect(found).toEqual([false, bucket]);
  });
});

describe('a side has nothing of', () => {
  it('a client that left before a reply', () => {
    expect(counted((exchange) => exchange.reply.onClientLeft())).toBeNull();
    const sent = counted((exchange) => {
      exchange.tries.onSent(TRY);
      exchange.reply.onClientLeft();
    });
    expect(sent).toBeNull();
  });

  it.each([
    PROBLEMS.rateLimited,
    PROBLEMS.unauthorized,
    PROBLEMS.overloaded,
    PROBLEMS.coordinatorLost,
    PROBLEMS.validationFailed,
    PROBLEMS.internal,
  ])('what the gateway refuses: $code', (problem) => {
    expect(counted((exchange) => refused(exchange, problem))).toBeNull();
  });

  it('what a filter answers', () => {
    const found = counted((exchange) =>
      exchange.reply.onLocal({ status: 503, problem: null, cause: '' }, false),
    );
    expect(found).toBeNull();
  });
});
