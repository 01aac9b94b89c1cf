import { describe, expect, it } from 'vitest';
import { readOpenapi } from '../../../../src/config/openapi/openapi-routes.js';

const document = (paths: object, more: object = {}) => ({ openapi: '3.1.0', paths, ...more });
const get = (operation: object) => document({ '/a': { get: operation } });
const problemsOf = (value: unknown) => readOpenapi(value, '').problems;

describe('readOpenapi', () => {
  it('names operations, uniquely and as routes may be named', () => {
    const { operations } = readOpenapi(
      document({
        '/a/{x}': { get: {}, post: { operationId: 'make it' } },
        '/a-{x}': {},
        '/': { get: { operationId: 'make/it' } },
      }),
      '/v1',
    );
    expect(operations.map(({ name, method, path }) => [name, method, path])).toEqual([
      ['get-a-x', 'GET', '/v1/a/:x'],
      ['make-it', 'POST', '/v1/a/:x'],
      ['make-it-2', 'GET', '/v1/'],
    ]);
  });

  it('gives each schema what it refers to, also in circles', () => {
    const tree = { type: 'object', properties: { child: { $ref: '#/components/schemas/Tree' } } };
    const { operations, problems } = readOpenapi(
      document(
        {
          '/a': {
            put: {
              requestBody: {
                content: { 'application/json': { schema: { $ref: '#/components/schemas/Tree' } } },
              },
            },
          },
        },
        { components: { schemas: { Tree: tree, Other: {} } } },
      ),
      '',
    );
    expect(problems).toEqual([]);
    expect(operations[0]?.validation.contents).toEqual([
      {
        mediaType: 'application/json',
        schema: {
          $ref: '#/$defs/Tree',
          $defs: { Tree: { type: 'object', properties: { child: { $ref: '#/$defs/Tree' } } } },
        },
      },
    ]);
  });

  it('takes parameters beside fixed text, and colons as they are', () => {
    const read = readOpenapi(
      document({ '/tasks/{id}:cancel': { post: {} }, '/files/{name}.pdf': { get: {} } }),
      '',
    );
    expect(read.problems).toEqual([]);
    expect(read.operations.map(({ path }) => path)).toEqual([
      '/tasks/:id\\:cancel',
      '/files/:name.pdf',
    ]);
  });

  it.each([
    ['a text', 'x', /no OpenAPI document/],
    ['another version', { swagger: '2.0' }, /not of OpenAPI 3/],
    ['no paths', document({}), /has no operation/],
    [
      'a path with two parameters side by side',
      document({ '/a{x}{y}': { get: {} } }),
      /\/paths\/~1a\{x\}\{y\}\/get: the path .* needs fixed text between two parameters/,
    ],
    [
      'a foreign reference',
      document({ '/a': { $ref: 'other.yaml' } }),
      /leads out of the document/,
    ],
    [
      'a circle of references',
      document({ '/a': { $ref: '#/x' } }, { x: { $ref: '#/x' } }),
      /or nowhere/,
    ],
    [
      'a missing schema',
      get({
        parameters: [{ name: 'q', in: 'query', schema: { $ref: '#/components/schemas/No' } }],
      }),
      /no schema No/,
    ],
    [
      'a cookie',
      get({ parameters: [{ name: 'q', in: 'cookie', schema: {} }] }),
      /take query, path or header/,
    ],
    [
      'an object in the query',
      get({ parameters: [{ name: 'q', in: 'query', schema: { type: 'object' } }] }),
      /is an object/,
    ],
    [
      'a list with commas',
      get({ parameters: [{ name: 'q', in: 'query', explode: false, schema: { type: 'array' } }] }),
      /repeated parameters/,
    ],
    [
      'a mistyped keyword',
      get({ parameters: [{ name: 'q', in: 'query', schema: { minimun: 1 } }] }),
      /unknown keyword: "minimun"/,
    ],
    ['a body of nothing', get({ requestBody: {} }), /must have content/],
    ['a method of no route', document({ '/a': { trace: {} } }), /no route takes it/],
    ['an operation that is none', document({ '/a': { get: 1 } }), /must be an operation/],
  ])('tells what it cannot do with %s', (_, value, problem) => {
    expect(problemsOf(value).join('\n')).toMatch(problem);
  });
});
