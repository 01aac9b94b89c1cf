/**
 * Question: what does each filter cost a request that it lets through, beside the route without
 * filters?
 *
 * The subject is the empty route: what every route pays for there being filters at all. The others
 * run the same requests through one filter each, heads and bodies, as the pipeline does.
 */
import { field, joinFields } from '../../../src/base/field-block.js';
import type { RouteConfig } from '../../../src/config/gateway-config.js';
import { shareConfig } from '../../../src/config/shared/share-config.js';
import { openConfig } from '../../../src/config/shared/shared-config.js';
import { CollectedBody } from '../../../src/filters/collected-body.js';
import type { EditableRequest } from '../../../src/filters/filter.js';
import { ReplyHead } from '../../../src/filters/reply-head.js';
import { RequestFields } from '../../../src/worker/exchange/request-fields.js';
import {
  compileRouteFilters,
  loadFilters,
  partsFor,
  type RouteFilters,
} from '../../../src/worker/route/route-filters.js';
import { compileConfig } from '../../../test/support/compile-config.js';
import { type Bench, type BenchCase, fold } from '../../support/bench-harness.js';

const BODY = Buffer.from(
  JSON.stringify({
    name: 'Ada Lovelace',
    email: 'ada@example.com',
    tags: ['a', 'b', 'c'],
    address: { street: 'St James Square 12', city: 'London', zip: 'SW1Y' },
    note: 'x'.repeat(850),
  }),
);
const REPLY_FIELDS = [
  field('Content-Type', 'application/json'),
  field('Cache-Control', 'no-store'),
  field('X-Total', '12'),
  field('Server', 'origin'),
].reduce(joinFields);

const SCHEMA = {
  type: 'object',
  required: ['name', 'email', 'address'],
  additionalProperties: false,
  properties: {
    name: { type: 'string', maxLength: 100 },
    email: { type: 'string', format: 'email' },
    tags: { type: 'array', items: { type: 'string' }, maxItems: 10 },
    address: { type: 'object', required: ['city'] },
    note: { type: 'string' },
  },
};

const ROUTES: Readonly<Record<string, Partial<RouteConfig>>> = {
  'IP filter of 3 ranges': {
    ipFilter: { allow: ['10.0.0.0/8', '198.51.100.0/24', '2001:db8::/32'] },
  },
  'guards of a head': { guards: { headerBytes: '8KiB', headerCount: 50 } },
  'deprecation, head and reply': { deprecation: { since: '2026-01-01', sunset: '2126-01-01' } },
  'CORS, head and reply': { cors: { origins: ['https://app.example', 'https://*.b.example'] } },
  'security headers, reply': { securityHeaders: true },
  'path and field from the request': {
    rewrite: { path: '/v2/${params.id}', headers: { set: { 'x-client': '${clientIp}' } } },
  },
  'query of 3 parameters changed': { rewrite: { query: { set: { a: '1' }, remove: ['b'] } } },
  'reply fields changed': {
    rewriteReply: { headers: { remove: ['x-total'], set: { 'x-a': '1' } } },
  },
  'query and parameters validated': {
    validation: {
      query: { type: 'object', properties: { page: { type: 'integer' } } },
      params: { type: 'object', properties: { id: { type: 'integer' } } },
    },
  },
  '1 KiB of JSON validated': { validation: { body: SCHEMA } },
  '1 KiB of JSON changed': {
    rewrite: { body: { set: { '/by': '${clientIp}' }, remove: ['/note'] } },
  },
};

export const bench: Bench = {
  question: 'what does each filter cost a request that it lets through?',

  async run(context) {
    const operations = context.parameter('requests', 16, 512);
    const cases: BenchCase[] = [
      {
        name: 'no filter',
        role: 'subject',
        operations,
        run: passAll(await filtersOf({}), operations),
      },
    ];
    for (const [name, route] of Object.entries(ROUTES)) {
      const run = passAll(await filtersOf(route), operations);
      cases.push({ name, role: 'alternative', operations, run });
    }
    return context.measure(cases);
  },
};

async function filtersOf(route: Partial<RouteConfig>): Promise<RouteFilters> {
  const config = compileConfig({
    upstreams: { api: { targets: [{ url: 'http://127.0.0.1:8001' }] } },
    routes: [{ name: 'r', match: { path: '/users/:id' }, upstream: 'api', ...route }],
  });
  const servedConfig = openConfig(shareConfig(config));
  const compiled = servedConfig.routes.at(0);
  if (compiled === undefined) throw new Error('no route');
  return compileRouteFilters(compiled, await loadFilters(servedConfig, Date.now));
}

/** Requests of a few clients, made once: reading their heads is not what is measured. */
function makeRequests(count: number): EditableRequest[] {
  return Array.from({ length: count }, (_, at) => {
    const parts = ['POST', '/', '127.0.0.1', 'http', 'host', 'gateway.example'];
    parts.push('origin', 'https://app.example', 'content-type', 'application/json');
    for (let field = 0; field < 8; field++) parts.push(`x-field-${field}`, `value ${field}`);
    return {
      method: 'POST',
      path: `/users/${at}`,
      sentPath: `/users/${at}`,
      query: '?page=2&b=3&sort=name',
      scheme: 'http',
      clientIp: `198.51.100.${at % 64}`,
      requestId: 'id',
      bodyBytes: BODY.length,
      consumer: '',
      claims: null,
      params: { id: String(at) },
      fields: new RequestFields(parts),
      rewrittenTarget: '',
      addedFields: [],
    };
  });
}

function passAll(filters: RouteFilters, count: number): () => number {
  const requests = makeRequests(count);
  return () => {
    let passed = 0;
    for (const request of requests) passed = fold(passed, passOne(filters, request));
    return passed;
  };
}

/** 1 when the request was let through. */
function passOne(filters: RouteFilters, request: EditableRequest): number {
  const { entrySteps, editSteps, requestBody, replySteps } = filters;
  if (entrySteps.length > 0) for (const step of entrySteps) if (step(request) !== null) return 0;
  if (editSteps.length > 0) for (const step of editSteps) if (step(request) !== null) return 0;
  const parts = requestBody === null ? [] : partsFor(requestBody, request);
  if (requestBody !== null && parts.length > 0) {
    const body = new CollectedBody(BODY, requestBody.limits);
    for (const { step } of parts) if (step(body, request) !== null) return 0;
    if (body.bytes().length === 0) return 0;
  }
  if (replySteps.length > 0) {
    const head = new ReplyHead(200, REPLY_FIELDS, false);
    for (const step of replySteps) step(head, request);
    if (head.toBlock() === '') return 0;
  }
  return 1;
}
