import { describe, expect, it } from 'vitest';
import { defined } from '../../../../src/base/assert.js';
import { entriesOf, field, NO_FIELDS } from '../../../../src/base/field-block.js';
import { PROBLEMS } from '../../../../src/base/problems.js';
import {
  type HttpProtocol,
  PROTOCOL_HTTP_1_1,
  PROTOCOL_HTTP_2,
} from '../../../../src/channel/records/request-head.js';
import { plainReply, refusal } from '../../../../src/filters/local-reply.js';
import { clientTimeoutMs, NO_GRPC_STATUS } from '../../../../src/worker/exchange/grpc-call.js';
import { grpcRefusalOf } from '../../../../src/worker/reply/grpc-refusal.js';
import { makeExchange } from '../../../support/make-exchange.js';

const CALL = { contentType: 'application/grpc' };

function refused(local: Parameters<typeof grpcRefusalOf>[1]) {
  const made = grpcRefusalOf(CALL, local, { requestId: 'id-1', fields: local.fields });
  if (made === null) return null;
  const fields = Object.fromEntries(entriesOf(made.local.fields));
  return { grpcStatus: made.grpcStatus, status: made.local.status, fields };
}

describe('a refusal of a call', () => {
  it.each([
    [PROBLEMS.unauthorized, 16],
    [PROBLEMS.forbidden, 7],
    [PROBLEMS.routeNotFound, 12],
    [PROBLEMS.methodNotAllowed, 12],
    [PROBLEMS.rateLimited, 8],
    [PROBLEMS.bodyTooLarge, 8],
    [PROBLEMS.connectFailed, 14],
    [PROBLEMS.noHealthyTarget, 14],
    [PROBLEMS.responseTimeout, 4],
    [PROBLEMS.validationFailed, 3],
    [PROBLEMS.internal, 13],
  ])('$code is %i', (kind, code) => {
    const made = refused(refusal(kind, 'Why it is so.'));
    expect(made).toMatchObject({
      grpcStatus: code,
      status: 200,
      fields: {
        'content-type': 'application/grpc',
        'grpc-status': String(code),
        'grpc-message': 'Why it is so.',
      },
    });
    expect(made?.fields['Proxy-Status']).toContain(kind.code);
  });

  it('keeps its other fields, and tells a wait as a pushback', () => {
    const made = refused(
      refusal(PROBLEMS.rateLimited, 'No.', { fields: field('Retry-After', '3') }),
    );
    expect(made?.fields).toMatchObject({ 'grpc-retry-pushback-ms': '3000' });
    expect(made?.fields).not.toHaveProperty('Retry-After');
  });

  it('is also what a route answers by itself with a status of an error', () => {
    expect(refused(plainReply(503, NO_FIELDS, 'closed'))).toMatchObject({ grpcStatus: 14 });
    expect(refused(plainReply(308, NO_FIELDS))).toMatchObject({ grpcStatus: 2 });
    expect(refused(plainReply(200, NO_FIELDS, 'fine'))).toBeNull();
  });
});

describe('an exchange', () => {
  const of = (method: string, ...fields: string[]) =>
    makeExchange({ method, target: '/a.b.C/D', fields }).grpc;

  it('is a call by its method and content type', () => {
    expect(of('POST', 'content-type', 'application/grpc+proto')).toMatchObject({
      contentType: 'application/grpc+proto',
      deadlineMs: Number.POSITIVE_INFINITY,
      status: NO_GRPC_STATUS,
    });
    expect(of('GET', 'content-type', 'application/grpc')).toBeNull();
    expect(of('POST', 'content-type', 'application/json')).toBeNull();
    expect(of('POST')).toBeNull();
  });

  const call = (fields: readonly string[], protocol?: HttpProtocol) =>
    defined(
      makeExchange({ method: 'POST', fields, ...(protocol && { protocol }) }).grpc,
      'the call',
    );

  it('can be told its end where fields can follow its reply', () => {
    const grpc = ['content-type', 'application/grpc'];
    expect(call(grpc, PROTOCOL_HTTP_2).hasTrailers).toBe(true);
    expect(call(grpc, PROTOCOL_HTTP_1_1).hasTrailers).toBe(false);
    const web = call(['content-type', 'application/grpc-web'], PROTOCOL_HTTP_2);
    expect([web.hasTrailers, web.isTargets]).toEqual([false, false]);
    web.translate();
    expect([web.hasTrailers, web.isTargets]).toEqual([true, true]);
  });

  it('has the earlier deadline of its client and its route, and tells what is left of it', () => {
    const one = call(['content-type', 'application/grpc']);
    expect(one.timeoutLeft(0)).toBe('');
    one.onDeadline(2000);
    one.endBy(3000);
    expect([one.deadlineMs, one.isRoutesDeadline]).toEqual([2000, false]);
    expect(one.timeoutLeft(500)).toBe('1500000u');
    one.endBy(1000);
    expect([one.deadlineMs, one.isRoutesDeadline]).toEqual([1000, true]);
  });

  it('has the method that its path ends with', () => {
    const one = call(['content-type', 'application/grpc']);
    one.onPath('/a.b.C/D');
    expect([one.service, one.method]).toEqual(['a.b.C', 'D']);
    one.onPath('/v1/x/a.E/F');
    expect([one.service, one.method]).toEqual(['a.E', 'F']);
  });

  it('looks at messages only where they are bounded', () => {
    const one = call(['content-type', 'application/grpc']);
    const prefix = Buffer.from([0, 0, 0, 0, 5]);
    expect([one.scanRequest(prefix), one.scanReply(prefix)]).toEqual([true, true]);
    one.boundMessages({ maxRequestMessageBytes: 4, maxReplyMessageBytes: 5 });
    expect([one.scanRequest(prefix), one.scanReply(prefix)]).toEqual([false, true]);
  });

  it.each([
    [[], Number.POSITIVE_INFINITY],
    [['grpc-timeout', '2S'], 2000],
    [['grpc-timeout', 'soon'], Number.NaN],
    [['grpc-timeout', '2S', 'grpc-timeout', '3S'], Number.NaN],
  ])('whose client says %j waits %d ms', (fields, ms) => {
    expect(clientTimeoutMs(makeExchange({ fields }).head)).toBe(ms);
  });
});
