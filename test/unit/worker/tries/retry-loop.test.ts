/** The tries of an exchange, whatever targets and the coordinator do in which order. */

import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { defined } from '../../../../src/base/assert.js';
import { PROBLEMS } from '../../../../src/base/problems.js';
import {
  VERDICT_ADMITTED,
  VERDICT_CIRCUIT_OPEN,
} from '../../../../src/channel/coordinator/coordinator-records.js';
import { PROTOCOL_HTTP_2 } from '../../../../src/channel/records/request-head.js';
import { ReplyStage } from '../../../../src/filters/reply-stage.js';
import { DIALECT_WEB } from '../../../../src/wire/grpc/content-type.js';
import { GrpcCall } from '../../../../src/worker/exchange/grpc-call.js';
import { MirrorEnd } from '../../../../src/worker/exchange/mirror-end.js';
import { StreamedBody } from '../../../../src/worker/exchange/streamed-body.js';
import type { MirrorPlan } from '../../../../src/worker/route/worker-route.js';
import { RetryPlanner } from '../../../../src/worker/tries/retry-planner.js';
import { runs } from '../../../support/long-form.js';
import {
  ATTEMPTS,
  expectAllSettled,
  Rig,
  type Step,
  TARGET_COUNT,
  take,
} from '../../../support/retry-rig.js';

const which = fc.nat(5);
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ what: fc.constantFrom('connect', 'connect', 'data', 'end'), which } as const),
  fc.record({
    what: fc.constant('head'),
    which,
    status: fc.constantFrom(200, 503, 503, 500),
  } as const),
  fc.record({
    what: fc.constant('error'),
    which,
    code: fc.constantFrom('ECONNREFUSED', 'UND_ERR_SOCKET', 'UND_ERR_INVALID_ARG'),
  } as const),
  fc.record({ what: fc.constant('advance'), ms: fc.nat(400) } as const),
  fc.record({
    what: fc.constant('verdict'),
    verdict: fc.constantFrom(VERDICT_ADMITTED, VERDICT_ADMITTED, VERDICT_CIRCUIT_OPEN),
    target: fc.nat(TARGET_COUNT - 1),
  } as const),
  fc.record({ what: fc.constant('room'), isThere: fc.boolean() } as const),
  { weight: 1, arbitrary: fc.constant<Step>({ what: 'flush' }) },
);

const anyOptions = fc.record({
  method: fc.constantFrom('GET', 'GET', 'POST'),
  hedgeAfterMs: fc.constantFrom(-1, 60),
  routeTimeoutMs: fc.constantFrom(0, 700),
  hasFallback: fc.boolean(),
});

describe('the tries of an exchange', () => {
  it('are settled once each, and never hang, whatever happens in which order', () => {
    fc.assert(
      fc.property(
        anyOptions,
        fc.array(anyStep, { maxLength: 60, size: 'max' }),
        fc.boolean(),
        (options, steps, isLeaving) => {
          const rig = new Rig(options);
          for (const step of steps) take(rig, step);
          if (isLeaving) take(rig, { what: 'leave' });
          // Nobody says anything more: the deadlines alone bring it to its end.
          for (let tick = 0; tick < 400 && !rig.exchange.isFinished; tick += 1) rig.advance(50);
          expect(rig.exchange.isFinished).toBe(true);
          expectAllSettled(rig);
          const { sent, sentBefore } = rig.exchange.tries;
          expect(sent).toBeLessThanOrEqual(1 + ATTEMPTS + 1);
          expect(sentBefore).toBeLessThanOrEqual(1 + ATTEMPTS + 1);
          rig.endTurn();
          expect(rig.heads, 'a client gets one head').toBeLessThanOrEqual(1);
        },
      ),
      runs(3000),
    );
  });

  const PLAIN = { method: 'GET', hedgeAfterMs: -1, routeTimeoutMs: 0 };

  it('go to the targets that the failed ones were not, until the attempts are used up', () => {
    const rig = new Rig(PLAIN);
    for (const target of [1, 2]) {
      take(rig, { what: 'error', which: target - 1, code: 'ECONNREFUSED' });
      rig.advance(400);
      rig.verdict(VERDICT_ADMITTED, target);
    }
    expect(rig.exchange.tries.triedMask).toBe(0b011);
    take(rig, { what: 'error', which: 2, code: 'ECONNREFUSED' });
    expect(rig.problem).toBe(PROBLEMS.connectFailed);
    expect(rig.exchange.tries.sent).toBe(3);
    expectAllSettled(rig);
  });

  it('give the reply that was held back when the coordinator has no target for a retry', () => {
    const rig = new Rig(PLAIN);
    take(rig, { what: 'connect', which: 0 });
    take(rig, { what: 'head', which: 0, status: 503 });
    rig.endTurn();
    expect(rig.heads).toBe(0);
    rig.advance(400);
    rig.verdict(VERDICT_CIRCUIT_OPEN, -1);
    rig.endTurn();
    expect(rig.heads).toBe(1);
    expect(rig.exchange.reply.status).toBe(503);
    take(rig, { what: 'end', which: 0 });
    expect(rig.exchange.isFinished).toBe(true);
    expectAllSettled(rig);
  });

  it('let go of a reply that still comes when another try is made in its place', () => {
    const rig = new Rig(PLAIN);
    take(rig, { what: 'connect', which: 0 });
    take(rig, { what: 'head', which: 0, status: 503 });
    rig.advance(400);
    expect(rig.air[0]?.isOver).toBe(false);
    rig.verdict(VERDICT_ADMITTED, 1);
    expect(rig.air[0]?.isOver).toBe(true);
    expect(rig.exchange.tries.keptReply).toBeNull();
  });

  it('are planned anew when a head is lost that had ended the wait for a hedge', () => {
    const rig = new Rig({ ...PLAIN, hedgeAfterMs: 60 });
    take(rig, { what: 'connect', which: 0 });
    rig.advance(150);
    expect(rig.exchange.admission.isAsking).toBe(true);
    take(rig, { what: 'head', which: 0, status: 200 });
    expect(rig.exchange.admission.isAsking).toBe(false);
    take(rig, { what: 'error', which: 0, code: 'UND_ERR_SOCKET' });
    expect(rig.exchange.tries.retries).toBe(1);
    expect(rig.exchange.reply.isHandedOn).toBe(false);
  });

  it('leave nothing of their replies to what the next reply is measured by', () => {
    class Hold extends ReplyStage {
      override head(): void {}
      override data(): boolean {
        return true;
      }
    }
    const rig = new Rig(PLAIN);
    const { exchange } = rig;
    Object.assign(exchange.route ?? {}, { replyStages: [{ open: () => new Hold() }] });
    const rules = { compares: { status: true, fields: false, body: true } };
    const mirror = new MirrorEnd({ rules } as unknown as MirrorPlan);
    const call = new GrpcCall(DIALECT_WEB, '', PROTOCOL_HTTP_2);
    call.boundMessages({ maxRequestMessageBytes: 1, maxReplyMessageBytes: 99 });
    Object.assign(exchange, { mirror, grpc: call });
    take(rig, { what: 'connect', which: 0 });
    take(rig, { what: 'head', which: 0, status: 200 });
    take(rig, { what: 'data', which: 0 });
    take(rig, { what: 'error', which: 0, code: 'UND_ERR_SOCKET' });
    rig.advance(400);
    rig.verdict(VERDICT_ADMITTED, 1);
    take(rig, { what: 'connect', which: 1 });
    take(rig, { what: 'head', which: 1, status: 200 });
    take(rig, { what: 'data', which: 1 });
    expect(mirror.bodyBytes).toBe(1);
    expect(mirror.digest()).toBe(createHash('sha1').update('x').digest('hex'));
    // One byte of the five that begin a message has come, and four more may.
    expect(call.scanReply(Buffer.from([0, 0, 0, 1]))).toBe(true);
    expect(call.scanReply(Buffer.from('m'))).toBe(true);
    expect(call.scanReply(Buffer.from([0, 0, 0, 0, 100]))).toBe(false);
    take(rig, { what: 'end', which: 1 });
  });

  const UPLOAD = {
    ...PLAIN,
    method: 'PUT',
    bodyBytes: -1,
    isComplete: false,
    protocol: 'h2c',
  } as const;
  const send = (rig: Rig, bytes: number): void =>
    rig.exchange.upload.take(Buffer.alloc(bytes), false, rig.nowMs);
  /** Takes the body of a try; how many bytes it gets stands in the list. */
  function bodyOf(rig: Rig, which: number): number[] {
    const got: number[] = [];
    const { body } = defined(rig.air[which], 'the try').request;
    expect(body).toBeInstanceOf(StreamedBody);
    if (body instanceof StreamedBody) {
      const onPiece = (bytes: Uint8Array): void => void got.push(bytes.length);
      body.flowTo({ onPiece, onBodyEnd: () => {}, onBodyDropped: () => {} });
    }
    return got;
  }
  const sum = (got: readonly number[]): number => got.reduce((all, bytes) => all + bytes, 0);

  it('send all of a body again that grew while another target was waited for', () => {
    const rig = new Rig(UPLOAD);
    take(rig, { what: 'connect', which: 0 });
    send(rig, 1000);
    expect(sum(bodyOf(rig, 0))).toBe(1000);
    take(rig, { what: 'error', which: 0, code: 'UND_ERR_SOCKET' });
    send(rig, 40_000);
    rig.advance(400);
    send(rig, 40_000);
    rig.verdict(VERDICT_ADMITTED, 1);
    send(rig, 40_000);
    take(rig, { what: 'connect', which: 1 });
    const got = bodyOf(rig, 1);
    send(rig, 500);
    expect(sum(got)).toBe(121_500);
    rig.finish();
  });

  it('are no more than the first once the body is too long to be kept', () => {
    const rig = new Rig(UPLOAD);
    take(rig, { what: 'connect', which: 0 });
    send(rig, 1000);
    const got = bodyOf(rig, 0);
    take(rig, { what: 'head', which: 0, status: 503 });
    rig.advance(400);
    send(rig, 70_000);
    rig.verdict(VERDICT_ADMITTED, 1);
    rig.endTurn();
    expect([rig.air.length, rig.exchange.reply.status, rig.heads]).toEqual([1, 503, 1]);
    send(rig, 500);
    expect(sum(got)).toBe(71_500);
    take(rig, { what: 'end', which: 0 });
    expectAllSettled(rig);
  });

  it('are let go once, however often nobody wants them any more', () => {
    const done = vi.spyOn(RetryPlanner.prototype, 'onRequestDone');
    const rig = new Rig(PLAIN);
    rig.finish();
    rig.loop.release(rig.exchange);
    expect(done).toHaveBeenCalledTimes(1);
    done.mockRestore();
  });

  it('end with the deadline of the route while they wait for their turn', () => {
    const rig = new Rig({ ...PLAIN, routeTimeoutMs: 700 });
    take(rig, { what: 'connect', which: 0 });
    rig.advance(800);
    expect(rig.problem).toBe(PROBLEMS.routeTimeout);
    expectAllSettled(rig);
  });

  it('are two at most with a hedge, and the first head ends the other', () => {
    const rig = new Rig({ ...PLAIN, hedgeAfterMs: 60 });
    take(rig, { what: 'connect', which: 0 });
    rig.advance(150);
    rig.verdict(VERDICT_ADMITTED, 1);
    expect(rig.exchange.tries.hedge).not.toBeNull();
    take(rig, { what: 'connect', which: 1 });
    take(rig, { what: 'head', which: 1, status: 200 });
    expect(rig.settled).toEqual([1]);
    expect(rig.exchange.targetIndex).toBe(1);
    take(rig, { what: 'end', which: 1 });
    expectAllSettled(rig);
  });

  it('are one when the coordinator has only the target of the first for a hedge', () => {
    const rig = new Rig({ ...PLAIN, hedgeAfterMs: 60 });
    rig.advance(150);
    rig.verdict(VERDICT_ADMITTED, 0);
    expect(rig.exchange.tries.sent).toBe(1);
    expect(rig.settled).toEqual([2]);
  });
});
