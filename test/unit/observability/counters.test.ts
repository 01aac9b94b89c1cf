import { describe, expect, it } from 'vitest';
import {
  MergedFigures,
  quantileMs,
  type RequestTotals,
} from '../../../src/admin/merged-figures.js';
import {
  BYPASS_REASONS,
  MISS_REASONS,
  NOT_STORED_REASONS,
  REASONS_MAX,
} from '../../../src/base/cache-reasons.js';
import { PROBLEMS } from '../../../src/base/problems.js';
import { allocateCounters, CounterBlock } from '../../../src/channel/counter-block.js';
import {
  CACHE_REASON_COUNTERS,
  COUNTERS,
  COUNTERS_PROCESS_MAX,
  counterCount,
  durationHistogram,
  LATENCY_BOUNDS_MS,
  loopDelayHistogram,
  METHOD_CLASSES,
  NO_ROUTE,
  problemCounter,
  RETIRED_ROUTES,
  RETIRED_UPSTREAMS,
  ROUTE_COUNTERS,
  requestClassCounter,
  requestCounter,
  retireCounterRows,
  routeCounter,
  STATUS_CLASSES,
  TARGET_COUNTERS,
  targetCounter,
  targetLatencyHistogram,
  UPSTREAM_COUNTERS,
  upstreamCounter,
} from '../../../src/observability/counters.js';

const SHAPE = { routes: 3, targets: 2, upstreams: 2 };
const HISTOGRAM = Array.from({ length: LATENCY_BOUNDS_MS.length + 2 }, (_, at) => at);

/** Every place that something is counted in. */
function allPlaces(): number[] {
  const places: number[] = [...Object.values(COUNTERS)];
  places.push(...Object.values(PROBLEMS).map(problemCounter));
  const { bypassed, missed, notStored } = CACHE_REASON_COUNTERS;
  places.push(...BYPASS_REASONS.map((_, at) => bypassed + at));
  places.push(...MISS_REASONS.map((_, at) => missed + at));
  places.push(...NOT_STORED_REASONS.map((_, at) => notStored + at));
  places.push(...HISTOGRAM.map((at) => loopDelayHistogram() + at));
  for (let route = RETIRED_ROUTES; route < SHAPE.routes; route++) {
    for (const method of METHOD_CLASSES.keys()) {
      for (const status of STATUS_CLASSES.keys()) {
        places.push(requestClassCounter(route, method, status));
      }
    }
    places.push(...Object.values(ROUTE_COUNTERS).map((figure) => routeCounter(route, figure)));
    places.push(...HISTOGRAM.map((at) => durationHistogram(route) + at));
  }
  for (let target = 0; target < SHAPE.targets; target++) {
    for (const figure of Object.values(TARGET_COUNTERS)) {
      places.push(targetCounter(SHAPE, target, figure));
    }
    places.push(...HISTOGRAM.map((at) => targetLatencyHistogram(SHAPE, target) + at));
  }
  for (let upstream = RETIRED_UPSTREAMS; upstream < SHAPE.upstreams; upstream++) {
    for (const figure of Object.values(UPSTREAM_COUNTERS)) {
      places.push(upstreamCounter(SHAPE, upstream, figure));
    }
  }
  return places;
}

describe('the places of figures', () => {
  it('are each for one figure, and inside the block', () => {
    const places = allPlaces();
    expect(new Set(places).size).toBe(places.length);
    expect(Math.min(...places)).toBe(0);
    expect(Math.max(...places)).toBeLessThan(counterCount(SHAPE));
    for (const list of [BYPASS_REASONS, MISS_REASONS, NOT_STORED_REASONS]) {
      expect(list.length).toBeLessThanOrEqual(REASONS_MAX);
    }
    expect(Math.max(...Object.values(COUNTERS))).toBeLessThan(COUNTERS_PROCESS_MAX);
  });

  it.each([
    ['GET', 200, 0, 1],
    ['HEAD', 304, 0, 2],
    ['OPTIONS', 100, 0, 0],
    ['PUT', 404, 1, 3],
    ['DELETE', 599, 1, 4],
    ['POST', 499, 2, 3],
    ['PATCH', 500, 2, 4],
    ['BREW', 0, 2, 4],
  ])('%s with %d is of its classes', (method, status, methodClass, statusClass) => {
    expect(requestCounter(1, method, status)).toBe(
      requestClassCounter(1, methodClass, statusClass),
    );
  });
});

function ofAll(figures: MergedFigures): RequestTotals {
  const walk = figures.walkAll();
  let step = walk.next();
  while (step.done !== true) step = walk.next();
  return step.value;
}

describe('figures of several threads', () => {
  const buffers = [allocateCounters(counterCount(SHAPE)), allocateCounters(counterCount(SHAPE))];
  const [one, other] = buffers.map((buffer) => new CounterBlock(buffer));
  const figures = new MergedFigures(buffers, SHAPE);
  if (one === undefined || other === undefined) throw new Error('two blocks');
  one.add(requestCounter(0, 'GET', 200), 7);
  other.add(requestCounter(0, 'POST', 502), 2);
  other.add(requestCounter(2, 'GET', 404));
  one.add(requestCounter(NO_ROUTE, 'GET', 400));
  one.add(COUNTERS.cutGoodReplies);
  one.observe(durationHistogram(0), LATENCY_BOUNDS_MS, 3);
  other.observe(durationHistogram(0), LATENCY_BOUNDS_MS, 60_000);
  one.add(upstreamCounter(SHAPE, 1, UPSTREAM_COUNTERS.retries), 4);

  it('are added up', () => {
    expect(figures.ofRoute(0)).toEqual({ requests: 9, errors: 2, byStatusClass: [0, 7, 0, 0, 2] });
    expect(ofAll(figures)).toEqual({ requests: 11, errors: 3, byStatusClass: [0, 7, 0, 2, 2] });
    expect(figures.durationsOf(0)).toMatchObject({ count: 2, sumMs: 60_003 });
  });

  it('never fall when a route goes, and count anew when its row is taken again', () => {
    for (const block of [one, other]) {
      retireCounterRows(block, SHAPE, { routes: [0], targets: [0], upstreams: [1] });
    }
    expect(figures.ofRoute(0).requests).toBe(0);
    expect(figures.durationsOf(0).count).toBe(0);
    expect(figures.ofRoute(RETIRED_ROUTES).requests).toBe(9);
    expect(figures.durationsOf(RETIRED_ROUTES).count).toBe(2);
    expect(ofAll(figures).requests).toBe(11);
    const retries = UPSTREAM_COUNTERS.retries;
    expect(figures.sum(upstreamCounter(SHAPE, RETIRED_UPSTREAMS, retries))).toBe(4);
    expect(figures.sum(upstreamCounter(SHAPE, 1, retries))).toBe(0);
  });
});

describe('a percentile', () => {
  const histogram = (amounts: readonly number[]) => {
    const block = new CounterBlock(allocateCounters(64));
    for (const amount of amounts) block.observe(0, LATENCY_BOUNDS_MS, amount);
    const buckets = LATENCY_BOUNDS_MS.map((_, at) => block.read(at)).concat(
      block.read(LATENCY_BOUNDS_MS.length),
    );
    return { buckets, count: amounts.length, sumMs: 0 };
  };

  it('lies in the bucket of its rank', () => {
    const even = histogram(Array.from({ length: 100 }, (_, at) => (at < 50 ? 0.4 : 30)));
    expect(quantileMs(even, 0.25)).toBeCloseTo(0.375);
    expect(quantileMs(even, 0.5)).toBeCloseTo(0.5);
    expect(quantileMs(even, 0.51)).toBeGreaterThan(25);
    expect(quantileMs(even, 1)).toBe(50);
  });

  it('of nothing is 0, and never above the last bound', () => {
    expect(quantileMs(histogram([]), 0.5)).toBe(0);
    expect(quantileMs(histogram([1e9]), 0.99)).toBe(10_000);
  });

  it('takes an amount that is a bound into the bucket below it', () => {
    for (const [at, bound] of LATENCY_BOUNDS_MS.entries()) {
      expect(histogram([bound]).buckets[at], String(bound)).toBe(1);
      expect(histogram([bound * 1.001]).buckets[at + 1], String(bound)).toBe(1);
    }
  });
});
