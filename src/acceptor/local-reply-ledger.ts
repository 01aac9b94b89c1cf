/**
 * Counts the replies that the acceptor makes without a worker, and writes their access records.
 *
 * Thread: acceptor. Only writer of the acceptor's counter block, beside its thread's meter.
 */
import type { CounterBlock } from '../channel/counter-block.js';
import type { AccessLog } from '../observability/access-log.js';
import {
  durationHistogram,
  LATENCY_BOUNDS_MS,
  NO_ROUTE,
  problemCounter,
  requestCounter,
} from '../observability/counters.js';
import type { LocalReplyRecord } from './acceptor.js';

export class LocalReplyLedger {
  constructor(
    private readonly counters: CounterBlock,
    /** null: nobody wants records. */
    private accessLog: AccessLog | null,
  ) {}

  /** Records go there from now on. */
  use(accessLog: AccessLog | null): void {
    this.accessLog = accessLog;
  }

  close({ requestId, method, target, peer, kind, durationMs }: LocalReplyRecord): void {
    const { counters, accessLog } = this;
    counters.add(requestCounter(NO_ROUTE, method, kind.status));
    counters.observe(durationHistogram(NO_ROUTE), LATENCY_BOUNDS_MS, durationMs);
    counters.add(problemCounter(kind));
    if (accessLog?.wants(kind.status, durationMs) !== true) return;
    accessLog.write({
      requestId,
      clientIp: peer,
      consumer: '',
      method,
      target,
      route: '',
      upstreamTarget: '',
      tries: 0,
      status: kind.status,
      bytes: 0,
      durationMs,
      upstreamMs: -1,
      code: kind.code,
      end: 'complete',
      fields: null,
      traceId: '',
    });
  }
}
