/** Parameters in every style of OpenAPI, from the document to the verdict about a request. */
import { describe, expect, it } from 'vitest';
import { readOpenapi } from '../../../../src/config/openapi/openapi-routes.js';
import { CollectedBody } from '../../../../src/filters/collected-body.js';
import { aRequest, type RequestWish } from '../../../support/filter-request.js';
import { validationOf } from '../../../support/validation.js';

const NUMBERS = { type: 'array', items: { type: 'integer' }, minItems: 2 };
const POINT = {
  type: 'object',
  properties: { x: { type: 'integer' }, y: { type: 'integer' } },
  required: ['x', 'y'],
  additionalProperties: false,
};

/** Pointers of what is wrong with a request to an operation with this parameter; empty: nothing. */
function wrongWith(parameter: object, wish: RequestWish): string[] {
  const operation = { parameters: [{ name: 'p', required: true, ...parameter }] };
  const document = { openapi: '3.0.3', paths: { '/a/{p}': { get: operation } } };
  const read = () => ({ isValid: false, problem: 'none' }) as const;
  const { operations, ...said } = readOpenapi(document, { prefix: '', file: '', read });
  expect(said).toEqual({ mistakes: [], unsupported: [] });
  const bounds = { maxBodyBytes: 1000, maxDepth: 9, maxMembers: 99 };
  const validation = operations[0]?.validation;
  if (validation === undefined) throw new Error('it is an operation');
  const reply = validationOf({ ...validation, ...bounds }).head(aRequest(wish));
  const violations = (reply?.members?.['violations'] ?? []) as { in: string; pointer: string }[];
  return violations.map((one) => one.in + one.pointer);
}

const query = (text: string): RequestWish => ({ query: `?${text}` });
const path = (text: string): RequestWish => ({ params: { p: text } });
const header = (text: string): RequestWish => ({ headers: [['p', text]] });
const cookie = (text: string): RequestWish => ({ headers: [['cookie', text]] });

type Case = readonly [object, RequestWish, RequestWish];

describe('a list', () => {
  const list = (more: object) => ({ schema: NUMBERS, ...more });
  it.each<Case>([
    [list({ in: 'query' }), query('p=1&p=2'), query('p=1&p=x')],
    [list({ in: 'query' }), query('p=1&p=2'), query('p=1,2')],
    [list({ in: 'query', explode: false }), query('p=1,2'), query('p=1,x')],
    [list({ in: 'query', explode: false }), query('p=1%2C2'), query('p=1%2Cx')],
    [list({ in: 'query', explode: false }), query('p=1,2'), query('p=')],
    [
      list({ in: 'query', style: 'spaceDelimited', explode: false }),
      query('p=1%202'),
      query('p=1,2'),
    ],
    [list({ in: 'query', style: 'spaceDelimited', explode: false }), query('p=1+2'), query('p=1')],
    [list({ in: 'query', style: 'pipeDelimited', explode: false }), query('p=1|2'), query('p=1|x')],
    [list({ in: 'query', style: 'pipeDelimited', explode: false }), query('p=1%7C2'), query('p=1')],
    [list({ in: 'query', style: 'deepObject' }), query('p[]=1&p[]=2'), query('p[]=1&p[]=x')],
    [list({ in: 'query', style: 'deepObject' }), query('p[0]=1&p[1]=2'), query('p[0]=1')],
    [list({ in: 'path' }), path('1,2'), path('1,x')],
    [list({ in: 'path', style: 'label' }), path('.1.2'), path('.1.x')],
    [list({ in: 'path', style: 'label' }), path('.1,2'), path('1,2')],
    [list({ in: 'path', style: 'label', explode: true }), path('.1.2'), path('.1')],
    [list({ in: 'path', style: 'matrix' }), path(';p=1,2'), path(';p=1,x')],
    [list({ in: 'path', style: 'matrix', explode: true }), path(';p=1;p=2'), path(';p=1;q=2')],
    [list({ in: 'header' }), header('1, 2'), header('1, x')],
    [list({ in: 'cookie' }), cookie('a=b; p=1,2'), cookie('p=1,x')],
    [list({ in: 'cookie', explode: false }), cookie('p=1%2C2'), cookie('q=1,2')],
  ])('in %j', (parameter, good, bad) => {
    expect(wrongWith(parameter, good)).toEqual([]);
    expect(wrongWith(parameter, bad)).not.toEqual([]);
  });

  it('has items that hold a comma where the client has encoded it', () => {
    const parameter = list({
      in: 'query',
      explode: false,
      schema: { type: 'array', items: { enum: ['a,b', 'c'] } },
    });
    expect(wrongWith(parameter, query('p=a%2Cb,c'))).toEqual([]);
    expect(wrongWith(parameter, query('p=a,b,c'))).not.toEqual([]);
  });

  it('may be one text where the schema takes both', () => {
    const schema = { oneOf: [{ type: 'string', enum: ['all'] }, NUMBERS] };
    for (const explode of [true, false]) {
      expect(wrongWith({ in: 'query', explode, schema }, query('p=all'))).toEqual([]);
      expect(wrongWith({ in: 'query', explode, schema }, query('p=none'))).not.toEqual([]);
    }
    expect(wrongWith({ in: 'query', explode: false, schema }, query('p=1,2'))).toEqual([]);
  });
});

describe('an object', () => {
  const object = (more: object) => ({ schema: POINT, ...more });
  it.each<Case>([
    [object({ in: 'query' }), query('x=1&y=2'), query('x=1')],
    [object({ in: 'query' }), query('x=1&y=2&other=3'), query('x=1&y=z')],
    [object({ in: 'query', explode: false }), query('p=x,1,y,2'), query('p=x,1,y')],
    [object({ in: 'query', style: 'deepObject' }), query('p[x]=1&p[y]=2'), query('p[x]=1&p[y]=z')],
    [object({ in: 'query', style: 'deepObject' }), query('p%5Bx%5D=1&p[y]=2'), query('p[x]=1')],
    [object({ in: 'query', style: 'deepObject' }), query('p[x]=1&p[y]=2'), query('p=1')],
    [object({ in: 'path' }), path('x,1,y,2'), path('x,1,y,z')],
    [object({ in: 'path', explode: true }), path('x=1,y=2'), path('x=1,2')],
    [object({ in: 'path', style: 'label' }), path('.x.1.y.2'), path('.x.1')],
    [object({ in: 'path', style: 'label', explode: true }), path('.x=1.y=2'), path('.x=1')],
    [object({ in: 'path', style: 'matrix' }), path(';p=x,1,y,2'), path(';p=x,1')],
    [object({ in: 'path', style: 'matrix', explode: true }), path(';x=1;y=2'), path(';x=1')],
    [object({ in: 'header' }), header('x, 1, y, 2'), header('x, 1')],
    [object({ in: 'header', explode: true }), header('x=1,y=2'), header('x=1,z=2')],
    [object({ in: 'cookie', explode: false }), cookie('p=x,1,y,2'), cookie('p=x,1')],
  ])('in %j', (parameter, good, bad) => {
    expect(wrongWith(parameter, good)).toEqual([]);
    expect(wrongWith(parameter, bad)).not.toEqual([]);
  });

  it('may hold objects and lists in brackets, and nothing of all objects', () => {
    const schema = {
      type: 'object',
      properties: { a: { type: 'object', properties: { b: NUMBERS } } },
      additionalProperties: false,
    };
    const parameter = { in: 'query', style: 'deepObject', schema };
    expect(wrongWith(parameter, query('p[a][b][]=1&p[a][b][]=2'))).toEqual([]);
    expect(wrongWith(parameter, query('p[a][b][0]=1&p[a][b][1]=2'))).toEqual([]);
    expect(wrongWith(parameter, query('p[a][b][]=1&p[a][b][]=x'))).not.toEqual([]);
    expect(wrongWith(parameter, query('p[__proto__][x]=1'))).not.toEqual([]);
    expect(Reflect.get({}, 'x')).toBeUndefined();
  });
});

describe('a plain value', () => {
  const value = (more: object) => ({ schema: { type: 'integer' }, ...more });
  it.each<Case>([
    [value({ in: 'query' }), query('p=5'), query('p=x')],
    [value({ in: 'query', allowEmptyValue: true }), query('p='), query('p=x')],
    [value({ in: 'path' }), path('5'), path('5,6')],
    [value({ in: 'path', style: 'label' }), path('.5'), path('.x')],
    [value({ in: 'path', style: 'matrix' }), path(';p=5'), path(';q=5')],
    [value({ in: 'header' }), header('5'), header('x')],
    [value({ in: 'cookie' }), cookie('p=5'), cookie('p=x')],
    [value({ in: 'cookie' }), cookie('a=1; p="5"'), cookie('pp=5')],
  ])('in %j', (parameter, good, bad) => {
    expect(wrongWith(parameter, good)).toEqual([]);
    expect(wrongWith(parameter, bad)).not.toEqual([]);
  });

  it('is judged beside cookies that nobody knows', () => {
    const parameter = value({ in: 'cookie' });
    expect(wrongWith(parameter, cookie('other=100%; p=5; flag'))).toEqual([]);
    expect(wrongWith(parameter, cookie('other=100%; p=5%'))).toEqual(['cookies/p']);
  });

  it('may be JSON, which keeps its types', () => {
    const parameter = { in: 'query', content: { 'application/json': { schema: POINT } } };
    const json = (text: string) => query(`p=${encodeURIComponent(text)}`);
    expect(wrongWith(parameter, json('{"x":1,"y":2}'))).toEqual([]);
    expect(wrongWith(parameter, json('{"x":1,"y":"2"}'))).toEqual(['query/p/y']);
    expect(wrongWith(parameter, json('{"x":'))).toEqual(['query/p']);
    expect(wrongWith(parameter, query('q=1'))).toEqual(['query/p']);
    expect(wrongWith(parameter, query('p=%ff'))).toEqual(['query']);
  });
});

describe('a form', () => {
  const schema = {
    type: 'object',
    properties: {
      expand: { type: 'array', items: { type: 'string' } },
      ids: NUMBERS,
      point: POINT,
      json: { type: 'object' },
      count: { type: 'integer' },
    },
    additionalProperties: false,
  };
  const encoding = {
    expand: { style: 'deepObject', explode: true },
    point: { style: 'deepObject', explode: true },
    ids: { style: 'form', explode: false },
  };

  function wrongWithForm(text: string): string[] {
    const content = { 'application/x-www-form-urlencoded': { schema, encoding } };
    const document = { openapi: '3.0.3', paths: { '/a': { post: { requestBody: { content } } } } };
    const read = () => ({ isValid: false, problem: 'none' }) as const;
    const { operations } = readOpenapi(document, { prefix: '', file: '', read });
    const validation = operations[0]?.validation;
    if (validation === undefined) throw new Error('it is an operation');
    const bounds = { maxBodyBytes: 1000, maxDepth: 9, maxMembers: 99 };
    const { body } = validationOf({ ...validation, ...bounds });
    const headers = [['content-type', 'application/x-www-form-urlencoded']] as const;
    const request = aRequest({ method: 'POST', headers, body: text });
    const reply = body?.(new CollectedBody(Buffer.from(text), bounds), request);
    const violations = (reply?.members?.['violations'] ?? []) as { pointer: string }[];
    return violations.map(({ pointer }) => pointer);
  }

  it.each([
    'expand[]=a&expand[]=b',
    'expand[0]=a&expand[1]=b',
    'ids=1,2',
    'point[x]=1&point[y]=2&count=3',
    'json=%7B%22a%22%3A1%7D',
  ])('may be %s', (text) => {
    expect(wrongWithForm(text)).toEqual([]);
  });

  it.each([
    ['ids=1,x', '/ids/1'],
    ['point[x]=1', '/point/y'],
    ['count=0x3', '/count'],
    ['json=%7B', '/json'],
    ['other=1', '/other'],
  ])('may not be %s', (text, pointer) => {
    expect(wrongWithForm(text)).toContain(pointer);
  });

  it('may not have more fields than a body may have members', () => {
    const ids = (count: number): string => Array(count).fill('expand[]=a').join('&');
    expect(wrongWithForm(ids(99))).toEqual([]);
    expect(wrongWithForm(ids(100))).toEqual(['']);
  });
});
