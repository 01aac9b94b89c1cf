/** A request whose reply is cut off counts as one error, whatever its client has seen of it. */
import { expect, it } from 'vitest';
import { MergedFigures } from '../../../../src/admin/merged-figures.js';
import { PROBLEMS } from '../../../../src/base/problems.js';
import { allocateCounters, CounterBlock } from '../../../../src/channel/counter-block.js';
import { counterCount } from '../../../../src/observability/counters.js';
import type { Exchange } from '../../../../src/worker/exchange/exchange.js';
import {
  ExchangeMetrics,
  type MetricsOutputs,
} from '../../../../src/worker/telemetry/exchange-metrics.js';
import { makeExchange } from '../../../support/make-exchange.js';

const SHAPE = { routes: 1, targets: 1, upstreams: 1 };

function errorsOf(happened: (exchange: Exchange, metrics: ExchangeMetrics) => void): number {
  const memory = allocateCounters(counterCount(SHAPE));
  const outputs = { counters: new CounterBlock(memory), refusals: { isDue: () => false } };
  const metrics = new ExchangeMetrics(SHAPE, outputs as unknown as MetricsOutputs);
  const exchange = makeExchange({ method: 'POST', fields: ['content-type', 'application/grpc'] });
  happened(exchange, metrics);
  metrics.close(exchange, 5);
  const walk = new MergedFigures([memory], SHAPE).walkAll();
  let step = walk.next();
  while (step.done !== true) step = walk.next();
  return step.value.errors;
}

function cut({ reply }: Exchange, metrics: ExchangeMetrics): void {
  reply.restate(200);
  reply.begin(10);
  reply.onCut(PROBLEMS.upstreamReset);
  metrics.countCut();
}

it('a reply with 200 that is cut off is an error', () => {
  expect(errorsOf(cut)).toBe(1);
});

it('a call of gRPC that is told why it ends is one error, not two', () => {
  const told = (exchange: Exchange, metrics: ExchangeMetrics): void => {
    expect(exchange.grpc).not.toBeNull();
    exchange.grpc?.onStatus(14);
    cut(exchange, metrics);
  };
  expect(errorsOf(told)).toBe(1);
});

it('a request without a reply that a drain cuts off is one error, not two', () => {
  const drained = ({ reply }: Exchange, metrics: ExchangeMetrics): void => {
    metrics.countCut();
    reply.onShutdown();
  };
  expect(errorsOf(drained)).toBe(1);
});
