import { expect, it } from 'vitest';
import { defined } from '../../../src/base/assert.js';
import { requestBufferingSteps } from '../../../src/filters/request-buffering/request-buffering.js';
import {
  bytesMaxOf,
  compileRouteFilters,
  loadFilters,
  partsFor,
} from '../../../src/worker/route/route-filters.js';
import { compileConfig } from '../../support/compile-config.js';
import { aRequest } from '../../support/filter-request.js';
import { servedOf } from '../../support/served-config.js';

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

it('bounds no body that has a length, and is not bounded by who has no need of it', async () => {
  const config = compileConfig({
    upstreams: { api: { targets: [{ url: 'http://127.0.0.1:8001' }] } },
    routes: [
      {
        ...{ name: 'r', match: { path: '/*' }, upstream: 'api' },
        requestBuffering: { maxBytes: '64KiB' },
        validation: { body: { type: 'object' }, maxBodyBytes: '512KiB' },
      },
    ],
  });
  const served = servedOf(config);
  const loaded = await loadFilters(served, () => 0);
  const { filters } = defined(served.routes.at(0), 'the route');
  const { requestBody } = compileRouteFilters({ filters }, loaded);
  const plan = defined(requestBody, 'what is to be done with bodies');
  const boundOf = (bodyBytes: number, type: string): number =>
    bytesMaxOf(partsFor(plan, { ...aRequest({ headers: [['content-type', type]] }), bodyBytes }));
  expect(boundOf(5, 'application/json')).toBe(512 * 1024);
  expect(boundOf(-1, 'application/json')).toBe(64 * 1024);
  expect(boundOf(-1, 'image/png')).toBe(64 * 1024);
});
