import { describe, expect, it } from 'vitest';
import { entriesOf, field, NO_FIELDS } from '../../../../src/base/field-block.js';
import { PROBLEMS } from '../../../../src/base/problems.js';
import { plainReply, refusal } from '../../../../src/filters/local-reply.js';
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
      hasBadTimeout: false,
    });
    expect(of('GET', 'content-type', 'application/grpc')).toBeNull();
    expect(of('POST', 'content-type', 'application/json')).toBeNull();
    expect(of('POST')).toBeNull();
  });

  it('has the deadline of its client, less the time that has passed when it goes on', () => {
    const call = of('POST', 'content-type', 'application/grpc', 'grpc-timeout', '2S');
    expect(call?.deadlineMs).toBe(2000);
    expect(call?.timeoutLeft(500)).toBe('1500000u');
    expect(of('POST', 'content-type', 'application/grpc', 'grpc-timeout', 'soon')).toMatchObject({
      hasBadTimeout: true,
      deadlineMs: Number.POSITIVE_INFINITY,
    });
  });
});
