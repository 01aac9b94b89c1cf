/**
 * Question: what do the figures of one request cost: its count by route and class, and its
 * duration in a histogram?
 *
 * The alternative is the usual way: a Map from the labels as text to a number, and another from
 * the route to an array of buckets.
 */
import { allocateCounters, CounterBlock } from '../../../src/channel/counter-block.js';
import {
  counterCount,
  durationHistogram,
  LATENCY_BOUNDS_MS,
  requestCounter,
} from '../../../src/observability/counters.js';
import { type Bench, fold } from '../../support/bench-harness.js';

const ROUTES = 20;
const METHODS = ['GET', 'GET', 'GET', 'POST', 'PUT', 'HEAD'];
const STATUSES = [200, 200, 204, 304, 404, 500];

export const bench: Bench = {
  question: 'what does counting a request cost?',

  run(context) {
    const operations = context.parameter('requests', 64, 16_384);
    return context.measure([
      {
        name: 'counters: typed arrays in shared memory',
        role: 'subject',
        operations,
        run: countInBlock(operations),
      },
      {
        name: 'counters: Maps with labels as text',
        role: 'alternative',
        operations,
        run: countInMaps(operations),
      },
    ]);
  },
};

function countInBlock(operations: number): () => number {
  const shape = { routes: ROUTES, targets: 3, upstreams: 1 };
  const block = new CounterBlock(allocateCounters(counterCount(shape)));
  let requests = 0;
  return () => {
    for (let at = 0; at < operations; at += 1) {
      const route = at % ROUTES;
      const place = requestCounter(route, METHODS[at % 6] ?? '', STATUSES[at % 6] ?? 0);
      block.add(place);
      block.observe(durationHistogram(route), LATENCY_BOUNDS_MS, (at % 97) / 7);
    }
    requests = block.read(requestCounter(0, 'GET', 200));
    return fold(operations, requests > 0 ? 1 : 0);
  };
}

function countInMaps(operations: number): () => number {
  const counts = new Map<string, number>();
  const histograms = new Map<number, number[]>();
  return () => {
    for (let at = 0; at < operations; at += 1) {
      const route = at % ROUTES;
      const status = STATUSES[at % 6] ?? 0;
      const labels = `${route} ${METHODS[at % 6]} ${Math.floor(status / 100)}xx`;
      counts.set(labels, (counts.get(labels) ?? 0) + 1);
      const buckets = histograms.get(route) ?? new Array<number>(20).fill(0);
      const ms = (at % 97) / 7;
      const bucket = LATENCY_BOUNDS_MS.findIndex((bound) => ms <= bound);
      buckets[bucket] = (buckets[bucket] ?? 0) + 1;
      histograms.set(route, buckets);
    }
    return fold(operations, (counts.get('0 GET 2xx') ?? 0) > 0 ? 1 : 0);
  };
}
