import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readOpenapi } from '../../../../src/config/openapi/openapi-routes.js';
import { SchemaJudge } from '../../../../src/filters/validation/schema-code.js';
import { schemaCode } from '../../../../src/filters/validation/schema-engine.js';

const document = (paths: object, more: object = {}) => ({ openapi: '3.1.0', paths, ...more });
const get = (operation: object) => document({ '/a': { get: operation } });

/** Reads a document that lies in /docs beside these files. */
function read(value: unknown, prefix = '', files: Readonly<Record<string, unknown>> = {}) {
  const found = readOpenapi(value, {
    prefix,
    file: resolve('/docs/openapi.yaml'),
    read: (file) => {
      const content = files[file.replace('/docs/', '')];
      if (content === undefined) return { isValid: false, problem: 'there is no such file' };
      return { isValid: true, value: content };
    },
  });
  return { ...found, problems: [...found.mistakes, ...found.unsupported] };
}
const problemsOf = (value: unknown) => read(value).problems;

describe('readOpenapi', () => {
  it('names operations, uniquely and as routes may be named', () => {
    const { operations } = read(
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
    const { operations, problems } = read(
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
    const found = read(
      document({ '/tasks/{id}:cancel': { post: {} }, '/files/{name}.pdf': { get: {} } }),
    );
    expect(found.problems).toEqual([]);
    expect(found.operations.map(({ path }) => path)).toEqual([
      '/tasks/:id\\:cancel',
      '/files/:name.pdf',
    ]);
  });

  it.each([
    ['a text', 'x', /no OpenAPI document/],
    ['another version', { openapi: '4.0.0' }, /not of OpenAPI 3.* but 4\.0\.0/],
    ['Swagger 2.0', { swagger: '2.0' }, /but Swagger 2\.0: convert it/],
    [
      'a parameter that is not in its path',
      document({ '/a/{id}': { get: { parameters: [{ name: 'ID', in: 'path', schema: {} }] } } }),
      /the path parameter "ID" is not in the path/,
    ],
    ['an expression in a path', document({ '/a/{id:[0-9]+}': { get: {} } }), /of \{id:\[0-9\]\+\}/],
    ['no paths', document({}), /has no operation/],
    [
      'a path with two parameters side by side',
      document({ '/a{x}{y}': { get: {} } }),
      /\/paths\/~1a\{x\}\{y\}\/get: it has no route: .* needs fixed text between two parameters/,
    ],
    ['a missing file', document({ '/a': { $ref: 'other.yaml' } }), /file that cannot be read/],
    [
      'a reference to a URL',
      document({ '/a': { $ref: 'https://a.example/b' } }),
      /is not followed/,
    ],
    [
      'a circle of references',
      document({ '/a': { $ref: '#/x' } }, { x: { $ref: '#/x' } }),
      /leads nowhere/,
    ],
    [
      'a missing schema',
      get({
        parameters: [{ name: 'q', in: 'query', schema: { $ref: '#/components/schemas/No' } }],
      }),
      /schemas\/No" leads nowhere/,
    ],
    [
      'a parameter of a place that nobody knows',
      get({ parameters: [{ name: 'q', in: 'body', schema: {} }] }),
      /parameter "q" in "body" is not judged/,
    ],
    [
      'an object of unknown members',
      get({ parameters: [{ name: 'q', in: 'query', schema: { type: 'object' } }] }),
      /"q" is an object of unknown members/,
    ],
    [
      'a mistyped keyword',
      get({ parameters: [{ name: 'q', in: 'query', schema: { minimun: 1 } }] }),
      /the keyword "minimun" of a schema is not judged/,
    ],
    [
      'a keyword with a wrong value',
      get({ parameters: [{ name: 'q', in: 'query', schema: { minimum: 'x' } }] }),
      /\/minimum of the schema is not judged: it must be number/,
    ],
    [
      'a pattern that cannot be matched in linear time',
      get({ parameters: [{ name: 'q', in: 'query', schema: { pattern: '(a)\\1' } }] }),
      /the pattern .* is not judged/,
    ],
    ['a body of nothing', get({ requestBody: {} }), /the body has no content/],
    [
      'a body of a type that is not looked into',
      get({ requestBody: { content: { 'multipart/form-data': { schema: {} } } } }),
      /bodies of multipart\/form-data are not looked into/,
    ],
    ['a method of no route', document({ '/a': { trace: {} } }), /no route takes it/],
    [
      'a method that is none',
      document({ '/a': { additionalOperations: { connect: {}, CONNECT: {} } } }),
      /additionalOperations\/connect: no route takes it\n.*CONNECT: no route takes it/,
    ],
    ['an operation that is none', document({ '/a': { get: 1 } }), /leads nowhere/],
    [
      'two paths that match the same',
      document({ '/a/{x}': { get: {} }, '/a/{y}': { get: {} } }),
      /the path \/a\/\{y\} is that of/,
    ],
  ])('tells what it cannot do with %s', (_, value, problem) => {
    expect(problemsOf(value).join('\n')).toMatch(problem);
  });

  it.each(['3.0.3', '3.1.1', '3.2.0', '3.1'])('takes version %s', (openapi) => {
    expect(read({ openapi, paths: { '/a': { get: {} } } }).problems).toEqual([]);
  });

  it.each(['2.0', '3.3.0', '4.0.0', '3.10.0'])('does not take version %s', (openapi) => {
    expect(read({ openapi, paths: { '/a': { get: {} } } }).mistakes).toHaveLength(1);
  });

  it('takes the operations of other methods (3.2)', () => {
    const others = { COPY: { operationId: 'copy' }, LOCK: {} };
    const found = read(document({ '/a': { query: {}, additionalOperations: others } }));
    expect(found.operations.map(({ method, name }) => [method, name])).toEqual([
      ['QUERY', 'query-a'],
      ['COPY', 'copy'],
      ['LOCK', 'LOCK-a'],
    ]);
  });

  it.each(['/a/{rest+}', '/a/{rest*}', '/a/{*rest}', '/a/{rest:.*}'])(
    'takes the rest of the path %s, and judges it',
    (path) => {
      const schema = { type: 'string', maxLength: 9 };
      const parameters = [{ name: 'rest', in: 'path', required: true, schema }];
      const { operations, problems } = read(document({ [path]: { get: { parameters } } }));
      expect(problems).toEqual([]);
      expect(operations[0]?.path).toBe('/a/*');
      expect(operations[0]?.validation.params).toEqual({
        type: 'object',
        properties: { '*': schema },
        required: ['*'],
      });
    },
  );

  it('takes more than a segment where the last parameter says so, and no other', () => {
    const parameters = ['dir', 'file'].map((name) => ({
      name,
      in: 'path',
      'x-multi-segment': true,
    }));
    const found = read(document({ '/a/{dir}/{file}': { get: { parameters } } }));
    expect(found.operations.map(({ path }) => path)).toEqual(['/a/:dir/*']);
  });

  it('follows a reference in the place of members, and none without end', () => {
    const components = {
      all: { id: { type: 'integer' }, next: { properties: { $ref: '#/all' } } },
    };
    const schema = { type: 'object', properties: { $ref: '#/all' } };
    const body = { 'application/json': { schema } };
    const { operations, unsupported } = read(
      document({ '/a': { post: { requestBody: { content: body } } } }, components),
    );
    expect(unsupported.join()).toContain('leads to itself');
    expect(operations[0]?.validation.contents?.[0]?.schema).toEqual({
      type: 'object',
      properties: { id: { type: 'integer' }, next: {} },
    });
  });

  it('goes on with the rest of a document, and says of each operation what is judged', () => {
    const { operations, mistakes, unsupported } = read(
      document({
        '/a{x}{y}': { get: {} },
        '/b': {
          post: {
            parameters: [
              { name: 'good', in: 'query', schema: { type: 'integer' } },
              { name: 'odd', in: 'query', schema: { type: 'object' } },
            ],
            requestBody: { content: { 'application/json': { schema: { minimun: 1 } } } },
          },
        },
      }),
    );
    expect(mistakes).toEqual([]);
    expect(unsupported).toHaveLength(3);
    expect(operations.map(({ path, scope }) => [path, scope])).toEqual([
      [
        '/b',
        {
          judged: ['query good', 'body application/json'],
          unjudged: [
            'the query parameter "odd" is an object of unknown members: it is not judged',
            'the keyword "minimun" of a schema is not judged',
          ],
        },
      ],
    ]);
  });

  it('follows references into other files, each relative to its own', () => {
    const files = {
      'paths/pets.yaml': { get: { parameters: [{ $ref: '../parts/all.yaml#/limit' }] } },
      'parts/all.yaml': {
        limit: { name: 'limit', in: 'query', schema: { $ref: 'schemas.yaml#/Limit' } },
      },
      'parts/schemas.yaml': {
        Limit: { type: 'integer', maximum: 9 },
        Tree: { properties: { child: { $ref: '#/Tree' } } },
      },
    };
    const found = read(document({ '/pets': { $ref: 'paths/pets.yaml' } }), '', files);
    expect(found.problems).toEqual([]);
    expect(found.operations[0]?.validation.query).toMatchObject({
      properties: { limit: { $ref: '#/$defs/Limit' } },
      $defs: { Limit: { type: 'integer', maximum: 9 } },
    });
  });

  it('does not judge without end what applies itself to itself', () => {
    const schemas = {
      Base: { oneOf: [{ $ref: '#/components/schemas/Cat' }] },
      Cat: { allOf: [{ $ref: '#/components/schemas/Base' }, { required: ['name'] }] },
    };
    const body = { 'application/json': { schema: { $ref: '#/components/schemas/Cat' } } };
    const { operations, unsupported } = read(
      document({ '/a': { post: { requestBody: { content: body } } } }, { components: { schemas } }),
    );
    expect(unsupported.join()).toContain('applies itself to itself');
    const schema = operations[0]?.validation.contents?.[0]?.schema;
    const judge = new SchemaJudge(() => schemaCode(schema, '2020-12', 'json'));
    expect(judge.errorsOf({ name: 'a' })).toEqual([]);
    expect(judge.errorsOf({})).not.toEqual([]);
  });

  it.each([
    ['(?i)^abc$', 'ABC', 'ABD'],
    ['^(?i)(a|b)+$', 'aB', 'c'],
    ['^[\\w\\-\\_\\.]+$', 'a-b_c.', 'a b'],
    ['\\A[a-z]\\Z', 'a', 'ab'],
    ['^{x}$', '{x}', 'x'],
    ['^\\@\\d{2,3}$', '@12', '@1'],
  ])('reads the pattern %s of another language', (pattern, good, bad) => {
    const parameter = { name: 'q', in: 'query', schema: { type: 'string', pattern } };
    const { operations, problems } = read(get({ parameters: [parameter] }));
    expect(problems).toEqual([]);
    const schema = operations[0]?.validation.query;
    const judge = new SchemaJudge(() => schemaCode(schema, '2020-12', 'text'));
    expect(judge.errorsOf({ q: good })).toEqual([]);
    expect(judge.errorsOf({ q: bad })).not.toEqual([]);
  });
});
