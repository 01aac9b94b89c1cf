/**
 * Counts the replies that the acceptor makes without a worker, and writes their access records.
 *
 * Thread: acceptor. Only writer of the acceptor's counter block, beside its thread's meter.
 */
import type { Clock } from '../base/clock.js';
import { PROBLEMS } from '../base/problems.js';
import type { CounterBlock } from '../channel/counter-block.js';
import type { HeldRoute } from '../channel/records/repeat-records.js';
import { PROTOCOL_HTTP_1_1 } from '../channel/records/request-head.js';
import type { RefusalRingWriter } from '../channel/refusal-ring.js';
import type { RequestLog } from '../observability/access-log.js';
import {
  durationHistogram,
  LATENCY_BOUNDS_MS,
  NO_ROUTE,
  problemCounter,
  problemIndex,
  ROUTE_COUNTERS,
  requestCounter,
  routeCounter,
} from '../observability/counters.js';
import { noteOf, pathOfTarget } from '../observability/refused-request.js';
import type { LocalReplyRecord } from './local-reply.js';
import type { RefusedClient, UncountedRefusal } from './repeat-accounts.js';

/** No route is known. */
const NOWHERE: HeldRoute = { index: NO_ROUTE, name: '' };
const NOBODY: RefusedClient = {
  ...{ method: '', target: '', clientIp: '', protocol: PROTOCOL_HTTP_1_1 },
  route: NOWHERE,
};
const WORKER_ENDED = 'the worker that refused it by a limit has ended';

export class LocalReplyMetrics {
  constructor(
    private readonly clock: Clock,
    private readonly counters: CounterBlock,
    private readonly refusals: RefusalRingWriter,
    /** null: access records are off. */
    private accessLog: RequestLog | null,
  ) {}

  /** Access records go to this log from now on. */
  adopt(accessLog: RequestLog | null): void {
    this.accessLog = accessLog;
  }

  close(record: LocalReplyRecord, route: HeldRoute = NOWHERE): void {
    const { counters, accessLog } = this;
    const { requestId, method, protocol, target, peer, kind, cause, durationMs } = record;
    counters.add(requestCounter(route.index, method, kind.status));
    counters.observe(durationHistogram(route.index), LATENCY_BOUNDS_MS, durationMs);
    counters.add(problemCounter(kind));
    this.note(record, route);
    if (accessLog?.wants(kind.status, durationMs) !== true) return;
    accessLog.write({
      requestId,
      clientIp: peer,
      consumer: '',
      method,
      protocol,
      target,
      route: route.name,
      upstreamTarget: '',
      tries: 0,
      status: kind.status,
      bytes: 0,
      coding: '',
      durationMs,
      upstreamMs: -1,
      code: kind.code,
      cause,
      end: 'complete',
      fields: null,
      call: null,
      traceId: '',
      cache: '',
    });
  }

  /** A worker has refused this by a limit, and has ended before it has counted that. */
  closeUncounted({ client, durationMs, requestId }: UncountedRefusal): void {
    const { method, target, clientIp: peer, protocol, route } = client ?? NOBODY;
    const made = { requestId, kind: PROBLEMS.rateLimited, cause: WORKER_ENDED, durationMs };
    this.close({ ...made, method, target, peer, protocol }, route);
    if (route.index === NO_ROUTE) return;
    this.counters.add(routeCounter(route.index, ROUTE_COUNTERS.rateLimited));
  }

  private note(record: LocalReplyRecord, route: HeldRoute): void {
    const { requestId, method, target, peer, kind, cause } = record;
    const nowMs = this.clock.nowMs();
    if (!this.refusals.isDue(nowMs)) return;
    const fields = noteOf({
      // What was refused here may be malformed: nothing but printable text is kept.
      method: method.replace(/[^!-~]/g, '?'),
      path: pathOfTarget(target).replace(/[^ -~]/g, '?'),
      route: route.name,
      clientIp: peer,
      consumer: '',
      requestId,
      cause,
      keyLines: [],
    });
    this.refusals.note(nowMs, { about: problemIndex(kind), unixMs: this.clock.unixMs(), fields });
  }
}
