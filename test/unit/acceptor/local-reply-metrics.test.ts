/** Refusals that a worker gave and did not live to count: where they appear. */
import { describe, expect, it } from 'vitest';
import { LocalReplyMetrics } from '../../../src/acceptor/local-reply-metrics.js';
import {
  allocateCounters,
  CounterBlock,
  refusalRingOffset,
} from '../../../src/channel/counter-block.js';
import { RefusalRingReader, RefusalRingWriter } from '../../../src/channel/refusal-ring.js';
import type { AccessRecord, RequestLog } from '../../../src/observability/access-log.js';
import {
  counterCount,
  NO_ROUTE,
  ROUTE_COUNTERS,
  requestCounter,
  routeCounter,
} from '../../../src/observability/counters.js';
import { refusedOf } from '../../../src/observability/refused-request.js';
import { FakeClock } from '../../support/fake-clock.js';

const CLIENT = {
  ...{ method: 'GET', target: '/few?secret=1', clientIp: '192.0.2.7', protocol: 11 as const },
  route: { index: 2, name: 'few' },
};
const COUNT = counterCount({ routes: 4, targets: 1, upstreams: 1 });

describe('a refusal whose worker has ended', () => {
  it('counts for its route while that is known, and is logged and noted with it', () => {
    const memory = allocateCounters(COUNT);
    const counters = new CounterBlock(memory);
    const offset = refusalRingOffset(COUNT);
    const records: AccessRecord[] = [];
    const log = { wants: () => true, write: (record: AccessRecord) => records.push(record) };
    const clock = new FakeClock();
    const notes = new RefusalRingWriter(memory, offset);
    const metrics = new LocalReplyMetrics(clock, counters, notes, log as unknown as RequestLog);
    metrics.closeUncounted({ client: CLIENT, durationMs: 0.5, requestId: 'a-1' });
    clock.advance(60_000);
    metrics.closeUncounted({ client: null, durationMs: 0.5, requestId: 'a-2' });
    const counted = [CLIENT.route.index, NO_ROUTE].map((route) =>
      counters.read(requestCounter(route, route === NO_ROUTE ? '' : 'GET', 429)),
    );
    expect(counted).toEqual([1, 1]);
    expect(counters.read(routeCounter(2, ROUTE_COUNTERS.rateLimited))).toBe(1);
    expect(records).toMatchObject([
      { requestId: 'a-1', route: 'few', clientIp: '192.0.2.7', code: 'GW_RATE_LIMITED' },
      { requestId: 'a-2', route: '', clientIp: '' },
    ]);
    const seen = new RefusalRingReader(memory, offset)
      .read()
      .map(({ fields }) => refusedOf(fields));
    expect(seen).toMatchObject([
      { path: '/few', route: 'few', requestId: 'a-1' },
      { path: '', route: '', requestId: 'a-2' },
    ]);
  });
});
