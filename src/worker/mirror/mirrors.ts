/**
 * Copies requests to another upstream, and compares what comes of it with what the client got.
 *
 * Thread: worker. Owns the count of copies in flight here. A copy is an exchange without a client:
 * its reply goes nowhere, and whatever becomes of it is told by figures alone.
 * Invariant: the request itself goes first, and waits for nothing here.
 */
import { entriesOf } from '../../base/field-block.js';
import { PROBLEMS } from '../../base/problems.js';
import { type LocalReply, refusal } from '../../filters/local-reply.js';
import { MIRROR_COUNTERS } from '../../observability/counters.js';
import {
  type Difference,
  differenceOf,
  type SeenReply,
} from '../../policy/traffic/compare-replies.js';
import type { AdmissionGate } from '../admission/admission-gate.js';
import { type Exchange, routeOf, upstreamOf } from '../exchange/exchange.js';
import { MirrorEnd, type MirrorPair } from '../exchange/mirror-end.js';
import type { MirrorPlan, WorkerRoute } from '../route/worker-route.js';
import type { ExchangeMetrics } from '../telemetry/exchange-metrics.js';
import type { RetryLoop } from '../tries/retry-loop.js';

/** Samples of differences that one worker tells. */
const SAMPLE_SPACING_MS = 1000;
const SAMPLE_PATH_CHARS_MAX = 160;
const SAMPLE_FIELDS_MAX = 20;

const NO_ROOM = refusal(PROBLEMS.overloaded, 'Too many requests are in flight.');

/** A difference, as operators see it: no value of a field, no query, no byte of a body. */
export interface MirrorSample {
  readonly unixMs: number;
  readonly route: string;
  readonly upstream: string;
  readonly requestId: string;
  readonly method: string;
  readonly path: string;
  readonly differs: {
    /** Of the client's reply, and of the copy's. */
    readonly status?: readonly [number, number];
    /** Names. */
    readonly fields?: readonly string[];
    /** Lengths. */
    readonly body?: readonly [number, number];
  };
}

/** Where copies begin, and end when they cannot be sent. */
export interface CopySink {
  beginAside(exchange: Exchange, copyFor: WorkerRoute): Exchange;
  onReply(copy: Exchange, reply: LocalReply): void;
  onBroken(copy: Exchange, error: unknown): void;
}

export interface MirrorParts {
  readonly gate: Pick<AdmissionGate, 'tryEnter'>;
  readonly tries: Pick<RetryLoop, 'beginAside'>;
  readonly ledger: Pick<ExchangeMetrics, 'countMirror'>;
  random(): number;
  nowMs(): number;
  unixMs(): number;
  onSample(sample: MirrorSample): void;
}

export class Mirrors {
  /** By row of the route. */
  private readonly inFlight = new Map<number, number>();
  private sampleMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly parts: MirrorParts) {}

  /** The request has gone to its target, and its body, if it was collected, is here. */
  begin(exchange: Exchange, plan: MirrorPlan, sink: CopySink): void {
    const { rules } = plan;
    if (exchange.isFinished || this.parts.random() * 100 >= rules.percent) return;
    const row = routeOf(exchange).config.index;
    const { upload, tunnel } = exchange;
    if (tunnel !== null || !upload.isCollected || upload.bodyBytes > rules.bodyBytesMax) {
      this.parts.ledger.countMirror(row, MIRROR_COUNTERS.skipped);
      return;
    }
    const count = this.inFlight.get(row) ?? 0;
    if (count >= rules.inFlightMax) {
      this.parts.ledger.countMirror(row, MIRROR_COUNTERS.dropped);
      return;
    }
    this.inFlight.set(row, count + 1);
    this.parts.ledger.countMirror(row, MIRROR_COUNTERS.copied);
    this.send(exchange, plan, sink);
  }

  private send(exchange: Exchange, plan: MirrorPlan, sink: CopySink): void {
    const { gate, tries, nowMs } = this.parts;
    const copy = sink.beginAside(exchange, plan.route);
    copy.mirror = new MirrorEnd(plan);
    const { status, fields, body } = plan.rules.compares;
    if (status || fields || body) {
      exchange.mirror = new MirrorEnd(plan);
      const pair = { main: exchange.mirror, copy: copy.mirror };
      pair.main.pair = pair;
      pair.copy.pair = pair;
    }
    try {
      const atMs = nowMs();
      if (!gate.tryEnter(copy, plan.route, atMs)) sink.onReply(copy, NO_ROOM);
      else tries.beginAside(copy, atMs + upstreamOf(copy).timeouts.perTryMs);
    } catch (error) {
      sink.onBroken(copy, error);
    }
  }

  /** An exchange that is copied, or a copy, is over. */
  end(exchange: Exchange): void {
    const { mirror, isAside, reply } = exchange;
    if (mirror === null || mirror.isOver) return;
    mirror.onOver();
    const row = routeOf(exchange).config.index;
    if (isAside) {
      this.inFlight.set(row, Math.max(0, (this.inFlight.get(row) ?? 0) - 1));
      if (!mirror.isWhole) this.parts.ledger.countMirror(row, MIRROR_COUNTERS.failed);
    } else if (isTargets(reply) && exchange.tries.fallback === '' && mirror.status !== 0) {
      mirror.onWhole();
    }
    const { pair } = mirror;
    if (pair?.main.isOver === true && pair.copy.isOver) this.compare(exchange, pair, row);
  }

  private compare(exchange: Exchange, { main, copy }: MirrorPair, row: number): void {
    if (!main.isWhole || !copy.isWhole || main.isTooLong || copy.isTooLong) return;
    const { ledger } = this.parts;
    const { rules } = main.plan;
    ledger.countMirror(row, MIRROR_COUNTERS.compared);
    const found = differenceOf(rules, seenOf(main), seenOf(copy));
    if (found === null) return;
    if (found.status) ledger.countMirror(row, MIRROR_COUNTERS.otherStatus);
    if (found.fields.length > 0) ledger.countMirror(row, MIRROR_COUNTERS.otherFields);
    if (found.body) ledger.countMirror(row, MIRROR_COUNTERS.otherBody);
    this.tell(exchange, { main, copy }, found);
  }

  private tell(exchange: Exchange, { main, copy }: MirrorPair, found: Difference): void {
    const nowMs = this.parts.nowMs();
    if (nowMs - this.sampleMs < SAMPLE_SPACING_MS) return;
    this.sampleMs = nowMs;
    const { head, route } = exchange;
    const fields = found.fields.slice(0, SAMPLE_FIELDS_MAX);
    this.parts.onSample({
      unixMs: this.parts.unixMs(),
      route: route?.config.name ?? '',
      upstream: main.plan.rules.name,
      requestId: head.requestId,
      method: head.method,
      path: head.path.slice(0, SAMPLE_PATH_CHARS_MAX),
      differs: {
        ...(found.status && { status: [main.status, copy.status] as const }),
        ...(fields.length > 0 && { fields }),
        ...(found.body && { body: [main.bodyBytes, copy.bodyBytes] as const }),
      },
    });
  }
}

/** Whether the client has got all that a target has said. */
function isTargets({ isCut, isAborted, isLocal }: Exchange['reply']): boolean {
  return !isCut && !isAborted && !isLocal;
}

function seenOf(end: MirrorEnd): SeenReply {
  const { status, fields, bodyBytes } = end;
  return { status, fields: entriesOf(fields), bodyBytes, bodyHash: end.digest() };
}
