import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseTemplate } from '../../../src/base/template-text.js';
import { compileJsonTemplate, compileTemplate } from '../../../src/filters/template.js';
import { aRequest } from '../../support/filter-request.js';

const request = aRequest({
  method: 'POST',
  path: '/a/b%20c',
  query: '?q=1&q=2',
  clientIp: '2001:db8::1',
  claims: { sub: 'u/1', roles: ['a', 'b'], nested: { id: 7 }, 'https://x/y': 'dotted', none: null },
  params: { id: 'x y', '*': 'a/b c' },
  headers: [
    ['x-a', '1'],
    ['x-a', '2'],
  ],
});

describe('a template', () => {
  it.each([
    ['plain', 'plain'],
    ['${clientIp}', '2001:db8::1'],
    ['${claims.sub} ${claims.nested.id} ${claims.roles}', 'u/1 7 a b'],
    ['${claims.https://x/y}', 'dotted'],
    ['${headers.X-A}|${query.q}', '1, 2|1'],
    ['${request.method} ${request.path}${request.query}', 'POST /a/b%20c?q=1&q=2'],
    ['${request.id} ${request.host} ${request.scheme}', 'id-1 gateway.example http'],
    ['${request.hostname}', 'gateway.example'],
    ['a ${NAME} b', 'a ${NAME} b'],
    ['a ${ b', 'a ${ b'],
    ['${claims.missing}', null],
    ['${claims.none}', null],
    ['${claims.nested.constructor}', null],
    ['${headers.x-b}', null],
    ['${request.consumer}', null],
    ['${params.constructor}', null],
  ])('%s becomes %s', (text, expected) => {
    expect(compileTemplate(text, 'plain')(request)).toBe(expected);
  });

  it('puts values into a path as one segment each, and what a star took as several', () => {
    expect(compileTemplate('/x/${claims.sub}/${params.id}', 'path')(request)).toBe(
      '/x/u%2F1/x%20y',
    );
    expect(compileTemplate('/x/${params.*}', 'path')(request)).toBe('/x/a/b%20c');
  });

  it.each(['.', '..', ''])('makes no path with "%s" for a segment', (sub) => {
    for (const text of [
      '/x/${claims.sub}',
      '/x/${claims.sub}/y',
      'https://a.example/${claims.sub}/y',
    ]) {
      const made = compileTemplate(text, 'path')(aRequest({ claims: { sub } }));
      if (sub === '' && text.endsWith('}')) expect(made).toBe('/x/');
      else expect(made).toBeNull();
    }
  });

  it('lets no value end a field, a path, a query or a text of JSON', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (sub) => {
        const evil = aRequest({ claims: { sub } });
        const field = compileTemplate('${claims.sub}', 'field')(evil) ?? '';
        expect(field).toMatch(/^[\x20-\x7e]*$/);
        const path = compileTemplate('/a/${claims.sub}x/b', 'path')(evil) ?? '/a/x/b';
        expect(path).toMatch(/^\/a\/[A-Za-z0-9%!'()*._~-]+\/b$/);
        expect(compileTemplate('${claims.sub}', 'query')(evil)).not.toMatch(/[&=#+\s]/);
        const text = compileTemplate('"${claims.sub}"', 'jsonString')(evil) ?? '';
        expect(JSON.parse(text)).toBe(sub);
      }),
    );
  });

  it('ends no text of HTML by what stands in a URL', () => {
    const evil = aRequest({ path: "/a'b", query: "?'onclick='x&y" });
    const text = compileTemplate("'${request.path}${request.query}'", 'markup')(evil);
    expect(text).toBe("'/a&#39;b?&#39;onclick=&#39;x&#38;y'");
  });

  it('alone in a member of JSON keeps its type', () => {
    expect(compileJsonTemplate('${claims.roles}')(request, null)).toEqual(['a', 'b']);
    expect(compileJsonTemplate('is ${claims.nested.id}')(request, null)).toBe('is 7');
    expect(compileJsonTemplate('${claims.missing}')(request, null)).toBeUndefined();
  });

  it('that cannot be meant is told', () => {
    for (const text of ['${claim.sub}', '${request.nothing}', '${params.}', '${headers.a b}']) {
      expect(parseTemplate(text).isValid).toBe(false);
    }
  });
});
