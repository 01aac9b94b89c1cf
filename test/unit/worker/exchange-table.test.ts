import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Exchange } from '../../../src/worker/exchange.js';
import { ExchangeTable, PendingAsks } from '../../../src/worker/exchange-table.js';

function anExchange(index: number, generation = 1): Exchange {
  const head = { index, generation, receivedMs: 0, bodyBytes: 0, isComplete: true, parts: [] };
  return new Exchange(head, () => {});
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
            exchange.askId = asks.nextId();
            expect(model.has(exchange.askId)).toBe(false);
            asks.add(exchange);
            model.set(exchange.askId, exchange);
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
    patient.askId = asks.nextId();
    asks.add(patient);
    const seen = new Set<number>();
    for (let count = 0; count < 5000; count += 1) {
      const exchange = anExchange(1);
      exchange.askId = asks.nextId();
      expect(seen.has(exchange.askId)).toBe(false);
      seen.add(exchange.askId);
      asks.add(exchange);
      expect(asks.take(exchange.askId)).toBe(exchange);
    }
    expect(asks.take(patient.askId)).toBe(patient);
  });
});
