import { describe, expect, it } from 'vitest';
import { defined } from '../../../src/base/assert.js';
import { field } from '../../../src/base/field-block.js';
import type { RouteConfig } from '../../../src/config/gateway-config.js';
import type { CompiledFilters } from '../../../src/filters/catalog.js';
import { ReplyHead } from '../../../src/filters/reply-head.js';
import { deprecationStep, sunsetStep } from '../../../src/filters/versioning/deprecation.js';
import { compileRouteFilters, loadFilters } from '../../../src/worker/route/route-filters.js';
import { describeFilter, type FilterCase } from '../../contract/filter.contract.js';
import { compileConfig } from '../../support/compile-config.js';
import { aCompiledRoute } from '../../support/compiled-route.js';
import { aRequest } from '../../support/filter-request.js';
import { servedOf } from '../../support/served-config.js';

function filtersOf(route: Partial<RouteConfig>): CompiledFilters {
  const config = compileConfig({
    upstreams: { api: { targets: [{ url: 'http://127.0.0.1:8001' }] } },
    routes: [{ name: 'r', match: { path: '/*' }, upstream: 'api', ...route }],
  });
  return config.routes[0]?.filters ?? {};
}

const json = [['content-type', 'application/json']] as const;

const CASES: readonly FilterCase[] = [
  {
    name: 'ipFilter',
    filters: filtersOf({ ipFilter: { allow: ['10.0.0.0/8'] } }),
    accepted: { clientIp: '10.1.1.1' },
    refused: { clientIp: '' },
  },
  {
    name: 'cors',
    filters: filtersOf({ cors: { origins: ['https://a.example'] } }),
    accepted: { headers: [['origin', 'https://b.example']] },
    refused: {
      method: 'OPTIONS',
      headers: [
        ['origin', 'https://b.example'],
        ['access-control-request-method', 'GET'],
      ],
    },
  },
  { name: 'requestBuffering', filters: filtersOf({ requestBuffering: true }), accepted: {} },
  { name: 'compression', filters: filtersOf({ compression: true }), accepted: {} },
  { name: 'securityHeaders', filters: filtersOf({ securityHeaders: true }), accepted: {} },
  {
    name: 'guards',
    filters: filtersOf({ guards: { headerCount: 2, bodyBytes: 3 } }),
    accepted: { method: 'POST', body: 'abc' },
    refused: { method: 'POST', body: 'abcd' },
  },
  {
    name: 'deprecation',
    filters: filtersOf({ deprecation: { since: '2020-01-01', sunset: '2120-01-01' } }),
    accepted: {},
  },
  {
    name: 'deprecation after its sunset',
    filters: filtersOf({ deprecation: { since: '2019-01-01' } }),
    accepted: {},
  },
  {
    name: 'validation',
    filters: filtersOf({ validation: { body: { type: 'object', required: ['a'] } } }),
    accepted: { method: 'POST', body: '{"a":1}', headers: json },
    refused: { method: 'POST', body: '{"b":1}', headers: json },
  },
  {
    name: 'validation of the head',
    filters: filtersOf({ validation: { query: { type: 'object', required: ['a'] } } }),
    accepted: { query: '?a=1' },
    refused: { query: '?b' },
  },
  {
    name: 'rewrite',
    filters: filtersOf({
      rewrite: {
        path: '/a/${claims.tenant}',
        query: { set: { a: '${claims.tenant}' } },
        headers: { set: { 'x-tenant': '${claims.tenant}' } },
        body: { set: { '/tenant': '${claims.tenant}' } },
      },
    }),
    accepted: { claims: { tenant: 't' }, method: 'POST', body: '{}', headers: json },
    refused: {},
  },
  {
    name: 'rewriteReply',
    filters: filtersOf({ rewriteReply: { headers: { add: { 'x-a': '${clientIp}' } } } }),
    accepted: {},
  },
];

const served = servedOf({
  ...compileConfig({
    upstreams: { api: { targets: [{ url: 'http://127.0.0.1:8001' }] } },
    routes: [{ name: 'r', match: { path: '/*' }, upstream: 'api' }],
  }),
  routes: CASES.map(({ filters }, index) => aCompiledRoute({ filters, index })),
});
const loaded = await loadFilters(served, () => 0);

for (const [place, one] of CASES.entries()) {
  const route = defined(served.routes.at(place), 'the route of a case');
  describeFilter({ ...one, filters: route.filters }, (filters) =>
    compileRouteFilters({ filters }, loaded),
  );
}

it('a route without filters has no steps at all', () => {
  const filters = compileRouteFilters(aCompiledRoute());
  expect(filters).toEqual({
    entrySteps: [],
    entryNames: [],
    editSteps: [],
    editNames: [],
    requestBody: null,
    replyStages: [],
    replySteps: [],
    replyBody: null,
    replyCoding: null,
    uploadBounds: null,
    watchesUploads: false,
    droppedFields: [],
  });
});

describe('a sunset', () => {
  const options = { sinceSeconds: -1, sunsetMs: 1000, link: '' };

  it('comes at its time, to the millisecond', () => {
    let nowMs = 999;
    const step = sunsetStep(options, () => nowMs);
    expect(step?.(aRequest())).toBeNull();
    nowMs = 1000;
    expect(step?.(aRequest())?.status).toBe(410);
    expect(sunsetStep({ ...options, sunsetMs: -1 }, () => nowMs)).toBeNull();
  });

  it('replaces what the target says of it', () => {
    const head = new ReplyHead(200, field('sunset', 'never'), false);
    deprecationStep(options)(head, aRequest());
    expect(head.toBlock()).toBe(field('Sunset', 'Thu, 01 Jan 1970 00:00:01 GMT'));
  });
});
