/** What the acceptor's own replies tell pages, by the route that a request would have gone to. */
import { describe, expect, it, vi } from 'vitest';
import { RefusalFields } from '../../../src/acceptor/refusal-fields.js';
import { entriesOf } from '../../../src/base/field-block.js';
import { PROBLEMS } from '../../../src/base/problems.js';
import { PROTOCOL_HTTP_1_1 } from '../../../src/channel/records/request-head.js';
import type { GatewayConfig } from '../../../src/config/gateway-config.js';
import { RouteTable } from '../../../src/routing/route-table.js';
import { compileConfig } from '../../support/compile-config.js';
import { servedOf } from '../../support/served-config.js';

const upstreams = { api: { targets: [{ url: 'http://127.0.0.1:8001' }] } } as const;
const route = (name: string, path: string, more: object = {}) => ({
  ...{ name, match: { path }, upstream: 'api' },
  ...more,
});
const OWN = { cors: { origins: ['https://own.example'] } };

function refusals(config: Partial<GatewayConfig>): RefusalFields {
  return new RefusalFields(servedOf(compileConfig({ upstreams, routes: [], ...config })));
}

function allowed(fields: RefusalFields, method: string, target: string, ...origins: string[]) {
  const lines = origins.flatMap((origin) => ['origin', origin]);
  const text = [method, target, '192.0.2.1', 'http', 'host', 'a.example', 'x', 'origin', ...lines];
  const told = new Map(entriesOf(fields.fieldsFor(method, target, text.join('\n'), 'main')));
  return told.get('Access-Control-Allow-Origin');
}

describe('fields of refusals', () => {
  it('are those of the route, and of nobody else', () => {
    const fields = refusals({ routes: [route('own', '/own/*', OWN), route('none', '/none')] });
    expect(allowed(fields, 'POST', '/own/a?b', 'https://own.example')).toBe('https://own.example');
    expect(allowed(fields, 'POST', '/own/a', 'https://b.example')).toBeUndefined();
    expect(allowed(fields, 'POST', '/none', 'https://own.example')).toBeUndefined();
    expect(allowed(fields, 'POST', '/nowhere', 'https://own.example')).toBeUndefined();
  });

  it('are those of the gateway where no route has a say', () => {
    const shared = { cors: { origins: ['https://all.example'] } };
    const fields = refusals({ ...shared, routes: [route('own', '/own', OWN), route('b', '/b')] });
    const all = 'https://all.example';
    expect(allowed(fields, 'POST', '/nowhere', all)).toBe(all);
    expect(allowed(fields, 'POST', '/b', all)).toBe(all);
    expect(allowed(fields, 'POST', '/a;b', all)).toBe(all);
    expect(allowed(fields, 'POST', 'nonsense', all)).toBe(all);
    expect(allowed(fields, 'POST', '/own', all)).toBeUndefined();
  });

  it('are those of the path for a method that no route takes there', () => {
    const own = route('own', '/own', { ...OWN, match: { path: '/own', methods: ['GET'] } });
    const fields = refusals({ routes: [own] });
    expect(allowed(fields, 'PUT', '/own', 'https://own.example')).toBe('https://own.example');
    expect(allowed(fields, 'BREW', '/own', 'https://own.example')).toBe('https://own.example');
  });

  it('are none for a request that says two origins, or none', () => {
    const fields = refusals({ routes: [route('own', '/own', OWN)] });
    const own = 'https://own.example';
    expect(allowed(fields, 'PUT', '/own', own, own)).toBeUndefined();
    expect(allowed(fields, 'PUT', '/own')).toBeUndefined();
    expect(refusals({ routes: [route('a', '/a')] }).fieldsFor('GET', '/a', '', 'main')).toBe('');
  });
});

describe('pages of refusals with CORS beside them', () => {
  const page = (html: string) => ({ errors: { 413: { html } } });
  const text = (origin: string) => `POST\n/a\n\n\nhost\na\norigin\n${origin}\naccept\ntext/html`;

  function pageOf(fields: RefusalFields, target: string, of: string): string | null | undefined {
    const kind = PROBLEMS.bodyTooLarge;
    const more = { protocol: PROTOCOL_HTTP_1_1, peer: '', cause: '', durationMs: 0 };
    const record = { ...more, method: 'POST', target, kind, requestId: 'r' };
    return fields.pageFor({ record, detail: '' }, of, 'main')?.body;
  }

  it('are those of the same route, found once, and of no request before', () => {
    const routes = [
      route('one', '/one', { ...OWN, ...page('of one') }),
      route('other', '/other', { ...OWN, ...page('of other') }),
    ];
    const find = vi.spyOn(RouteTable.prototype, 'find');
    const fields = refusals({ routes });
    const head = text('https://own.example');
    expect(fields.fieldsFor('POST', '/one', head, 'main')).toContain('https://own.example');
    expect(pageOf(fields, '/one', head)).toBe('of one');
    expect(find).toHaveBeenCalledTimes(1);
    // Asked for another time, and of another request: nothing is left of the one before.
    expect(pageOf(fields, '/other', head)).toBe('of other');
    fields.fieldsFor('POST', '/one', head, 'main');
    expect(pageOf(fields, '/other', head)).toBe('of other');
    fields.fieldsFor('POST', '/one', head, 'main');
    expect(pageOf(fields, '/one', text('https://b.example'))).toBe('of one');
    find.mockRestore();
  });
});
