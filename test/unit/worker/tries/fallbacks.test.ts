/** What goes on to another upstream, and what does not. */
import { describe, expect, it } from 'vitest';
import { PROBLEMS } from '../../../../src/base/problems.js';
import {
  VERDICT_ADMITTED,
  VERDICT_CIRCUIT_OPEN,
} from '../../../../src/channel/coordinator/coordinator-records.js';
import type { Upload } from '../../../../src/worker/exchange/upload.js';
import { ATTEMPTS, expectAllSettled, Rig, TARGET_COUNT, take } from '../../../support/retry-rig.js';

const GET = { method: 'GET', hedgeAfterMs: -1, routeTimeoutMs: 0, hasFallback: true };
const POST = { ...GET, method: 'POST' };

/** The try answers with a status; its body comes to its end. */
function answer(rig: Rig, which: number, status: number): void {
  take(rig, { what: 'connect', which });
  take(rig, { what: 'head', which, status });
  take(rig, { what: 'end', which });
}

/** All tries at the first upstream are refused a connection. */
function failFirst(rig: Rig): void {
  for (let which = 0; which <= ATTEMPTS; which += 1) {
    if (which > 0) {
      rig.advance(400);
      rig.verdict(VERDICT_ADMITTED, which);
    }
    take(rig, { what: 'error', which, code: 'ECONNREFUSED' });
  }
}

describe('a request that its upstream has failed at', () => {
  it('goes on to the next one after its own retries, and is answered from there', () => {
    const rig = new Rig(GET);
    failFirst(rig);
    expect(rig.exchange.tries).toMatchObject({ sent: 0, sentBefore: 1 + ATTEMPTS, triedMask: 0 });
    rig.verdict(VERDICT_ADMITTED, 0);
    answer(rig, 1 + ATTEMPTS, 200);
    expect(rig.exchange.tries).toMatchObject({ sent: 1, answerStatus: 200 });
    expect(rig.exchange.tries.fallback).not.toBe('');
    expect(rig.exchange.targetIndex).toBe(TARGET_COUNT);
    expectAllSettled(rig);
  });

  it('has the retries of the next one as well', () => {
    const rig = new Rig(GET);
    failFirst(rig);
    rig.verdict(VERDICT_ADMITTED, 0);
    take(rig, { what: 'error', which: 1 + ATTEMPTS, code: 'ECONNREFUSED' });
    expect(rig.exchange.tries.retries).toBe(1);
    rig.advance(400);
    rig.verdict(VERDICT_ADMITTED, 1);
    answer(rig, 2 + ATTEMPTS, 200);
    expect(rig.exchange.reply.status).toBe(200);
    expectAllSettled(rig);
  });

  it('fails as the last try has failed when no upstream is left', () => {
    const rig = new Rig(GET);
    failFirst(rig);
    for (let which = 1 + ATTEMPTS; which <= 1 + 2 * ATTEMPTS; which += 1) {
      rig.verdict(VERDICT_ADMITTED, which % 2);
      take(rig, { what: 'error', which, code: 'ECONNREFUSED' });
      rig.advance(400);
    }
    expect(rig.problem).toBe(PROBLEMS.connectFailed);
    expectAllSettled(rig);
  });

  it('goes on with a status that is no reason for a retry', () => {
    const rig = new Rig(GET);
    answer(rig, 0, 429);
    expect(rig.exchange.tries).toMatchObject({ sent: 0, sentBefore: 1 });
    rig.verdict(VERDICT_ADMITTED, 0);
    answer(rig, 1, 200);
    expect(rig.exchange.reply.status).toBe(200);
    expectAllSettled(rig);
  });

  it('gets the reply that was kept when the next upstream has no target', () => {
    const rig = new Rig(GET);
    answer(rig, 0, 500);
    expect(rig.heads).toBe(0);
    rig.verdict(VERDICT_CIRCUIT_OPEN, -1);
    rig.endTurn();
    expect(rig.exchange.reply.status).toBe(500);
    expect(rig.exchange.tries.fallback, 'it is of the own upstream').toBe('');
    expect(rig.exchange.targetIndex).toBe(0);
    expectAllSettled(rig);
  });

  it('gets the reply of the next upstream as it is, however bad', () => {
    const rig = new Rig(GET);
    answer(rig, 0, 500);
    rig.verdict(VERDICT_ADMITTED, 0);
    answer(rig, 1, 502);
    expect(rig.exchange.reply.status).toBe(502);
    expectAllSettled(rig);
  });

  it('lets go of a reply that still comes once the next upstream has a target', () => {
    const rig = new Rig(GET);
    take(rig, { what: 'connect', which: 0 });
    take(rig, { what: 'head', which: 0, status: 500 });
    expect(rig.air[0]?.isOver).toBe(false);
    rig.verdict(VERDICT_ADMITTED, 0);
    expect(rig.air[0]?.isOver).toBe(true);
    answer(rig, 1, 200);
    expectAllSettled(rig);
  });

  it('waits for a hedge in flight before it goes on', () => {
    const rig = new Rig({ ...GET, hedgeAfterMs: 60 });
    take(rig, { what: 'connect', which: 0 });
    rig.advance(150);
    rig.verdict(VERDICT_ADMITTED, 1);
    take(rig, { what: 'connect', which: 1 });
    answer(rig, 0, 500);
    expect(rig.exchange.tries.sentBefore).toBe(0);
    answer(rig, 1, 500);
    expect(rig.exchange.tries.sentBefore).toBe(2);
    rig.verdict(VERDICT_ADMITTED, 0);
    answer(rig, 2, 200);
    expect(rig.exchange.reply.status).toBe(200);
    expectAllSettled(rig);
  });

  it('goes nowhere after the time of its route', () => {
    const rig = new Rig({ ...GET, routeTimeoutMs: 700 });
    answer(rig, 0, 500);
    rig.verdict(VERDICT_ADMITTED, 0);
    take(rig, { what: 'connect', which: 1 });
    rig.advance(800);
    expect(rig.problem).toBe(PROBLEMS.routeTimeout);
    expectAllSettled(rig);
  });

  it('is bounded by that time, though its body came to its end between two upstreams', () => {
    const body = { bodyBytes: 70_000, isComplete: false };
    const rig = new Rig({ ...POST, ...body, routeTimeoutMs: 700 });
    failFirst(rig);
    (rig.exchange.upload as Upload).take(Buffer.alloc(70_000), true, rig.nowMs);
    rig.loop.onRequestComplete(rig.exchange);
    rig.verdict(VERDICT_ADMITTED, 0);
    take(rig, { what: 'connect', which: 1 + ATTEMPTS });
    rig.advance(800);
    expect(rig.problem).toBe(PROBLEMS.routeTimeout);
    expectAllSettled(rig);
  });

  it('goes nowhere once some of a body is on its way', () => {
    const rig = new Rig(GET);
    take(rig, { what: 'connect', which: 0 });
    take(rig, { what: 'head', which: 0, status: 200 });
    take(rig, { what: 'data', which: 0 });
    rig.endTurn();
    take(rig, { what: 'error', which: 0, code: 'UND_ERR_SOCKET' });
    expect(rig.exchange.tries.sentBefore).toBe(0);
    expect(rig.exchange.isFinished).toBe(true);
    expectAllSettled(rig);
  });

  it('goes nowhere once its client is gone', () => {
    const rig = new Rig(GET);
    answer(rig, 0, 500);
    take(rig, { what: 'leave' });
    expectAllSettled(rig);
  });
});

describe('a request that must not be done twice', () => {
  it.each([429, 503])('goes on where a target has refused it with %d', (status) => {
    const rig = new Rig(POST);
    answer(rig, 0, status);
    rig.verdict(VERDICT_ADMITTED, 0);
    answer(rig, 1, 200);
    expect(rig.exchange.reply.status).toBe(200);
    expectAllSettled(rig);
  });

  it('stays where it may have been done', () => {
    const rig = new Rig(POST);
    answer(rig, 0, 500);
    expect(rig.exchange.tries).toMatchObject({ noFallback: 'method', fallback: '' });
    expect(rig.exchange.reply.status).toBe(500);
    expectAllSettled(rig);
  });

  it('goes on where nothing of it was sent', () => {
    const rig = new Rig(POST);
    failFirst(rig);
    rig.verdict(VERDICT_ADMITTED, 0);
    answer(rig, 1 + ATTEMPTS, 201);
    expect(rig.exchange.reply.status).toBe(201);
    expectAllSettled(rig);
  });

  it('stays with a body that is not kept', () => {
    const rig = new Rig({ ...POST, bodyBytes: 70_000 });
    answer(rig, 0, 503);
    expect(rig.exchange.tries).toMatchObject({ noFallback: 'body', fallback: '' });
    expect(rig.exchange.reply.status).toBe(503);
    expectAllSettled(rig);
  });
});
