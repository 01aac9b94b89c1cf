import { expect, it } from 'vitest';
import { requestBufferingSteps } from '../../../src/filters/request-buffering/request-buffering.js';
import { aRequest } from '../../support/filter-request.js';

it('is for bodies without a length, and not for calls of gRPC', () => {
  const { requestBody } = requestBufferingSteps({ maxBytes: 10 });
  const isNeeded = (bodyBytes: number, type: string): boolean | undefined =>
    requestBody?.isNeeded({ ...aRequest({ headers: [['content-type', type]] }), bodyBytes });
  expect([isNeeded(-1, 'text/plain'), isNeeded(3, 'text/plain')]).toEqual([true, false]);
  expect([isNeeded(-1, 'application/grpc+proto'), isNeeded(-1, 'application/grpc-web')]).toEqual([
    false,
    true,
  ]);
});
