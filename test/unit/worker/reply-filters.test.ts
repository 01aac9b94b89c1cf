import { expect, it } from 'vitest';
import { ReplyFilters } from '../../../src/worker/reply-filters.js';
import type { RouteFilters } from '../../../src/worker/route-filters.js';
import { anExchange } from '../../support/transport-rig.js';

it('a reply step that throws lets no head out', () => {
  const broken: unknown[] = [];
  const sent: unknown[] = [];
  const writer = { onHead: (one: unknown) => sent.push(one) > 0, onBody: () => true };
  const filters = new ReplyFilters({
    replies: writer as never,
    refuse: () => {},
    onBroken: (_exchange, error) => broken.push(error),
  });
  const exchange = anExchange('GET', null);
  const mistake = new Error('a mistake in a filter');
  const steps: Partial<RouteFilters> = {
    replySteps: [
      () => {
        throw mistake;
      },
    ],
    replyBody: null,
  };
  exchange.route = { filters: steps } as never;
  expect(filters.onHead(exchange)).toBe(true);
  expect(broken).toEqual([mistake]);
  expect(sent).toEqual([]);
});
