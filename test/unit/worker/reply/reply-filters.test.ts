import { expect, it } from 'vitest';
import { field } from '../../../../src/base/field-block.js';
import { ReplyFilters } from '../../../../src/worker/reply/reply-filters.js';
import type { RouteFilters } from '../../../../src/worker/request/route-filters.js';
import { anExchange } from '../../../support/transport-rig.js';

it('what a broken try has brought is no part of the reply of the next one', () => {
  const sent: string[] = [];
  const writer = {
    onHead: () => false,
    onBody: (_exchange: unknown, chunk: Buffer) => sent.push(chunk.toString()) > 0,
  };
  const filters = new ReplyFilters({
    replies: writer as never,
    refuse: () => {},
    onBroken: () => {},
  });
  const exchange = anExchange('GET', null);
  const plan = {
    maxBytes: 100,
    limits: { maxDepth: 9, maxMembers: 99 },
    edit: (all: unknown) => all,
  };
  exchange.route = { filters: { replySteps: [], replyBody: plan } } as never;
  const begin = (type: string): void => {
    const block = { fields: field('Content-Type', type), bodyBytes: -1 };
    exchange.reply.onHead(200, block, false, 0);
    expect(filters.onHead(exchange)).toBe(false);
  };
  begin('application/json');
  expect(exchange.reply.collector).not.toBeNull();
  filters.onBody(exchange, Buffer.from('{"half":'));
  begin('text/plain');
  expect(exchange.reply.collector).toBeNull();
  begin('application/json');
  filters.onBody(exchange, Buffer.from('{"whole":1}'));
  filters.onEnd(exchange);
  expect(sent).toEqual(['{"whole":1}']);
});

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
