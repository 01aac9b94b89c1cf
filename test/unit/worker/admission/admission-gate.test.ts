/** What is in flight at an upstream whose concurrency is adapted. */
import { describe, expect, it } from 'vitest';
import { defined } from '../../../../src/base/assert.js';
import { NO_FIELDS } from '../../../../src/base/field-block.js';
import { LATENCY_BUCKETS, latencyBucket } from '../../../../src/base/latency-buckets.js';
import { PROBLEMS, type ProblemKind } from '../../../../src/base/problems.js';
import { ConcurrencyView } from '../../../../src/channel/coordinator/concurrency-memory.js';
import { laneMemoryOf } from '../../../../src/channel/coordinator/coordinator-memory.js';
import { CoordinatorStatus } from '../../../../src/channel/coordinator/coordinator-status.js';
import { PROTOCOL_HTTP_2 } from '../../../../src/channel/records/request-head.js';
import { allocateCoordinatorMemory } from '../../../../src/coordinator/coordinator-setup.js';
import { DIALECT_GRPC } from '../../../../src/wire/grpc/content-type.js';
import { AdmissionGate } from '../../../../src/worker/admission/admission-gate.js';
import type { Caching } from '../../../../src/worker/exchange/caching.js';
import type { Exchange } from '../../../../src/worker/exchange/exchange.js';
import { GrpcCall } from '../../../../src/worker/exchange/grpc-call.js';
import type { TryInFlight } from '../../../../src/worker/exchange/try-in-flight.js';
import { compileConfig } from '../../../support/compile-config.js';
import { makeExchange } from '../../../support/make-exchange.js';
import { workerRoutesOf } from '../../../support/served-config.js';

function aGate() {
  const config = compileConfig({
    upstreams: { up: { targets: [{ url: 'http://10.0.0.1:1' }], adaptiveConcurrency: {} } },
    routes: [{ name: 'all', match: { path: '/*' }, upstream: 'up' }],
  });
  const memory = allocateCoordinatorMemory(config);
  const view = new ConcurrencyView(
    memory.concurrency,
    config.capacity.upstreams,
    new CoordinatorStatus(memory.status),
  );
  const route = defined(workerRoutesOf(config)[0], 'a route');
  const lane = { status: { pressure: 0 } } as ConstructorParameters<typeof AdmissionGate>[2];
  const gate = new AdmissionGate(config.capacity, laneMemoryOf(memory, 0), lane);
  return { gate, view, route };
}

const TRY = { targetIndex: 0 } as TryInFlight;
const BLOCK = { fields: NO_FIELDS, bodyBytes: 0, date: '' };

/** A target, or a stored reply, has given the head of the reply at 25. */
const stored = ({ reply }: Exchange): void => reply.onHead(200, BLOCK, false, 25);
function answered(exchange: Exchange, status: number): void {
  exchange.tries.onSent(TRY);
  exchange.tries.onAnswered(TRY, status);
  exchange.reply.onHead(status, BLOCK, false, 25);
}

/** A call that the gateway has ended, as its client gets it. */
function refused(exchange: Exchange, problem: ProblemKind): void {
  exchange.tries.onSent(TRY);
  exchange.reply.onLocal({ status: 200, problem, cause: '' }, false);
}

function called(exchange: Exchange, code: number): GrpcCall {
  const call = new GrpcCall(DIALECT_GRPC, 'application/grpc', PROTOCOL_HTTP_2);
  exchange.grpc = call;
  call.onStatus(code);
  return call;
}

describe('an exchange', () => {
  it.each<[string, (exchange: Exchange) => void, number]>([
    ['of a target that answers', (one) => answered(one, 200), 20],
    ['of a target that fails at once', (one) => answered(one, 503), -1],
    ['that the cache answers', stored, -1],
    [
      'that the cache answers in place of a failure',
      (one) => {
        answered(one, 503);
        stored(one);
      },
      -1,
    ],
    [
      'that the cache answers as its target takes too long',
      (one) => {
        one.tries.onSent(TRY);
        one.tries.onFailed(PROBLEMS.responseTimeout, '');
        one.caching = { isServing: true } as Caching;
        stored(one);
      },
      2000,
    ],
    [
      'that is a call',
      (one) => {
        answered(one, 200);
        called(one, 0);
      },
      20,
    ],
    [
      'that is a call which its target refuses at once',
      (one) => {
        answered(one, 200);
        called(one, 14);
      },
      -1,
    ],
    [
      'that is a call without an answer in time',
      (one) => {
        called(one, 4);
        refused(one, PROBLEMS.responseTimeout);
      },
      2000,
    ],
    [
      'that is a call which takes longer than its route lets it',
      (one) => {
        called(one, 4).endBy(2000);
        refused(one, PROBLEMS.routeTimeout);
      },
      2000,
    ],
    [
      'that is a call which takes longer than its route lets it, and its client waits on',
      (one) => {
        called(one, 4).onDeadline(9000);
        refused(one, PROBLEMS.routeTimeout);
      },
      2000,
    ],
    [
      'that is a call which takes longer than its client waits',
      (one) => {
        called(one, 4).onDeadline(2000);
        refused(one, PROBLEMS.routeTimeout);
      },
      -1,
    ],
  ])('%s says how loaded its upstream is, or nothing', (_, happened, latencyMs) => {
    const { gate, view, route } = aGate();
    const exchange = makeExchange({ route });
    gate.tryEnter(exchange, route, 5);
    happened(exchange);
    gate.leave(exchange, 2005);
    const counts = new Int32Array(LATENCY_BUCKETS);
    view.readCounts(0, counts);
    expect(counts.indexOf(1)).toBe(latencyMs === -1 ? -1 : latencyBucket(latencyMs));
  });

  it('is in flight once, however often it enters, and not any more when it has left', () => {
    const { gate, view, route } = aGate();
    const exchange = makeExchange({ route });
    expect([gate.tryEnter(exchange, route, 5), gate.tryEnter(exchange, route, 6)]).toEqual([
      true,
      true,
    ]);
    expect(view.inFlightOf(0)).toBe(1);
    gate.leave(exchange, 7);
    gate.leave(exchange, 8);
    expect(view.inFlightOf(0)).toBe(0);
  });
});
