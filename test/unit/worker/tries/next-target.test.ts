/** The target of a try whose coordinator does not answer. */
import { describe, expect, it } from 'vitest';
import {
  ASK_CLOSED,
  ASK_OPEN,
  type CoordinatorClient,
} from '../../../../src/worker/admission/coordinator-client.js';
import type { WorkerRoute } from '../../../../src/worker/route/worker-route.js';
import type { ExchangeMetrics } from '../../../../src/worker/telemetry/exchange-metrics.js';
import { NextTarget } from '../../../../src/worker/tries/next-target.js';
import { makeExchange } from '../../../support/make-exchange.js';

function without(onCoordinatorLost: string, sent: number): unknown {
  const coordinator = { abandon: () => {}, admitOpen: () => ASK_OPEN };
  const ledger = { countAskTimeout: () => {}, countOpen: () => {} };
  const next = new NextTarget({
    coordinator: coordinator as Partial<CoordinatorClient> as CoordinatorClient,
    ledger: ledger as Partial<ExchangeMetrics> as ExchangeMetrics,
    nowMs: () => 0,
    touch: () => {},
  });
  const route = { config: { onCoordinatorLost } } as Partial<WorkerRoute> as WorkerRoute;
  const exchange = makeExchange({ route });
  Object.assign(exchange.tries, { sent });
  return next.goOnWithoutVerdict(exchange);
}

describe('a coordinator that does not answer in time', () => {
  it('holds back no first try, whose limits were asked for before', () => {
    expect(without('wait', 0)).toBe(ASK_OPEN);
  });

  it.each([
    ['open', ASK_OPEN],
    ['wait', ASK_CLOSED],
    ['closed', ASK_CLOSED],
  ])('lets a retry go on as the route says: %s', (lost, asked) => {
    expect(without(lost, 1)).toBe(asked);
  });
});
