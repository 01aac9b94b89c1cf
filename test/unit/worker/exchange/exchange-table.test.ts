import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Exchange } from '../../../../src/worker/exchange/exchange.js';
import { ExchangeTable, PendingAsks } from '../../../../src/worker/exchange/exchange-table.js';
import { makeExchange } from '../../../support/make-exchange.js';

function anExchange(index: number, generation = 1): Exchange {
  return makeExchange({ index, generation });
}

/** As whoever asks does. */
function ask(asks: PendingAsks, exchange: Exchange): number {
  const askId = asks.nextId();
  exchange.admission.onAsked(askId, false);
  return askId;
}

describe('exchanges by index', () => {
  it('are found by index and generation, until they are removed', () => {
    const table = new ExchangeTable();
    const exchange = anExchange(300, 7);
    table.add(exchange);
    expect(table.find(300, 7)).toBe(exchange);
    expect(table.find(300, 6)).toBeUndefined();
    expect(table.find(299, 7)).toBeUndefined();
    expect(table.find(5000, 7)).toBeUndefined();
    table.remove(exchange);
    expect(table.find(300, 7)).toBeUndefined();
  });

  it('keep their place when one that was there before is removed late', () => {
    const table = new ExchangeTable();
    const [earlier, later] = [anExchange(3, 1), anExchange(3, 2)];
    table.add(earlier);
    table.add(later);
    table.remove(earlier);
    expect(table.find(3, 2)).toBe(later);
  });
});

describe('exchanges by the ask they wait for', () => {
  it('are what a map from numbers to exchanges would hold, whoever waits for how long', () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.constant('ask' as const) },
      { weight: 2, arbitrary: fc.nat() },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 6000, size: 'max' }), (steps) => {
        const asks = new PendingAsks();
        const model = new Map<number, Exchange>();
        for (const action of steps) {
          if (action === 'ask') {
            const exchange = anExchange(0);
            const askId = ask(asks, exchange);
            expect(model.has(askId)).toBe(false);
            asks.add(exchange);
            model.set(askId, exchange);
            continue;
          }
          const ids = [...model.keys()];
          const id = ids[action % (ids.length + 1)] ?? -1;
          expect(asks.take(id)).toBe(model.get(id));
          expect(asks.take(id)).toBeUndefined();
          model.delete(id);
        }
        for (const [id, exchange] of model) expect(asks.take(id)).toBe(exchange);
      }),
      { numRuns: 12 },
    );
  });

  it('pass over a number whose slot still waits', () => {
    const asks = new PendingAsks();
    const patient = anExchange(0);
    const patientId = ask(asks, patient);
    asks.add(patient);
    const seen = new Set<number>();
    for (let count = 0; count < 5000; count += 1) {
      const exchange = anExchange(1);
      const askId = ask(asks, exchange);
      expect(seen.has(askId)).toBe(false);
      seen.add(askId);
      asks.add(exchange);
      expect(asks.take(askId)).toBe(exchange);
    }
    expect(asks.take(patientId)).toBe(patient);
  });
});
