/** Queries and cookies as conditions of routes ask about them. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { RefusalFields } from '../../../src/acceptor/refusal-fields.js';
import { NamedValues, pairsOfCookies, pairsOfQuery } from '../../../src/routing/named-values.js';
import { compileConfig } from '../../support/compile-config.js';
import { findRoute } from '../../support/route-finder.js';
import { servedOf } from '../../support/served-config.js';

const CORS = { origins: ['https://own.example'] };
const config = {
  upstreams: { api: { targets: [{ url: 'http://127.0.0.1:8001' }] } },
  routes: ['1', '2', '3', '4'].map((v) => ({
    ...{ name: `v${v}`, upstream: 'api', cors: CORS },
    match: { path: '/a', methods: ['GET', 'PUT'], query: { v } },
  })),
};

/** Texts of which the query was read. */
function watchQueries(): string[] {
  const read: string[] = [];
  const real = URLSearchParams;
  vi.stubGlobal(
    'URLSearchParams',
    class extends real {
      constructor(text: string) {
        super(text);
        read.push(text);
      }
    },
  );
  return read;
}

afterEach(() => vi.unstubAllGlobals());

describe('a query', () => {
  it('is read once for all conditions of the routes of a path', () => {
    const read = watchQueries();
    expect(findRoute(config, 'GET a.example/a?v=3&w')?.name).toBe('v3');
    expect(findRoute(config, 'POST a.example/a?v=5')).toBeNull();
    expect(read).toEqual(['v=3&w', 'v=5']);
  });

  it('is read once for the fields of a refusal', () => {
    const read = watchQueries();
    const fields = new RefusalFields(servedOf(compileConfig(config)));
    const text = ['POST', '/a?v=4', '192.0.2.1', 'http', 'origin', 'https://own.example'];
    expect(fields.fieldsFor('POST', '/a?v=4', text.join('\n'), 'main')).toContain('own.example');
    expect(read).toEqual(['v=4']);
  });

  it('has the values of each name in their order, and another one its own', () => {
    const values = new NamedValues(pairsOfQuery);
    expect(values.of('?a=1&b&a=%32&__proto__=x', 'a')).toEqual(['1', '2']);
    expect(values.of('?a=1&b&a=%32&__proto__=x', '__proto__')).toEqual(['x']);
    expect(values.of('?b=3', 'a')).toEqual([]);
    expect(values.of('?b=3', 'b')).toEqual(['3']);
    expect(values.of('', 'b')).toEqual([]);
  });
});

describe('cookies', () => {
  it('have the values of each name in their order', () => {
    const values = new NamedValues(pairsOfCookies);
    expect(values.of('a=1; b ;c= x=y ;a = 2', 'a')).toEqual(['1', '2']);
    expect(values.of('a=1; b ;c= x=y ;a = 2', 'b')).toEqual([]);
    expect(values.of('a=1; b ;c= x=y ;a = 2', 'c')).toEqual(['x=y']);
    expect(values.of('', '')).toEqual([]);
  });
});
