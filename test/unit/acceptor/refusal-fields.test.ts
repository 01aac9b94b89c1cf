/** What the acceptor's own replies tell pages, by the route that a request would have gone to. */
import { describe, expect, it } from 'vitest';
import { RefusalFields } from '../../../src/acceptor/refusal-fields.js';
import { entriesOf } from '../../../src/base/field-block.js';
import type { GatewayConfig } from '../../../src/config/gateway-config.js';
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
