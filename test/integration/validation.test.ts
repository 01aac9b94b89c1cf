import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { rawExchange } from '../support/raw-exchange.js';

const PETS = {
  openapi: '3.0.3',
  info: { title: 'Pets', version: '1' },
  paths: {
    '/pets': {
      get: {
        operationId: 'listPets',
        parameters: [
          { name: 'limit', in: 'query', schema: { type: 'integer', minimum: 1, maximum: 100 } },
          { name: 'tag', in: 'query', schema: { type: 'array', items: { type: 'string' } } },
          { $ref: '#/components/parameters/Trace' },
        ],
      },
      post: {
        operationId: 'addPet',
        requestBody: {
          required: true,
          content: {
            'application/json': { schema: { $ref: '#/components/schemas/NewPet' } },
            'image/*': {},
          },
        },
      },
    },
    '/pets/{pet-id}': {
      parameters: [{ name: 'pet-id', in: 'path', required: true, schema: { type: 'integer' } }],
      get: {},
    },
  },
  components: {
    parameters: {
      Trace: {
        name: 'X-Trace',
        in: 'header',
        required: true,
        schema: { type: 'string', minLength: 3 },
      },
    },
    schemas: {
      NewPet: {
        type: 'object',
        required: ['name', 'id'],
        additionalProperties: false,
        properties: {
          id: { type: 'integer', readOnly: true },
          name: { type: 'string', example: 'Rex' },
          age: { type: 'number', minimum: 0, exclusiveMinimum: true },
          owner: { $ref: '#/components/schemas/Owner' },
        },
      },
      Owner: {
        type: 'object',
        nullable: true,
        required: ['email'],
        properties: { email: { type: 'string', format: 'email' } },
      },
    },
  },
};

let upstream: FakeUpstream;
let gateway: GatewayProcess;
const folder = mkdtempSync(join(tmpdir(), 'sluice-openapi-'));

beforeAll(async () => {
  upstream = await FakeUpstream.start();
  const petsFile = join(folder, 'pets.json');
  writeFileSync(petsFile, JSON.stringify(PETS));
  const userFile = join(folder, 'user.yaml');
  writeFileSync(
    userFile,
    'type: object\nrequired: [name]\nproperties: { name: { type: string } }\n',
  );
  gateway = await GatewayProcess.start({
    upstreams: { api: { targets: [{ url: upstream.url }] } },
    workers: 1,
    routes: [
      {
        name: 'items',
        match: { path: '/items/:id' },
        upstream: 'api',
        validation: {
          body: {
            type: 'object',
            required: ['name', 'count'],
            additionalProperties: false,
            properties: {
              name: { type: 'string', maxLength: 5 },
              count: { type: 'integer' },
              list: { type: 'array', uniqueItems: true },
            },
          },
          query: {
            type: 'object',
            properties: { page: { type: 'integer' } },
            additionalProperties: false,
          },
          params: { type: 'object', properties: { id: { type: 'integer', maximum: 99 } } },
          headers: { type: 'object', required: ['X-Token'] },
          maxBodyBytes: '2KiB',
          maxDepth: 4,
          maxMembers: 50,
        },
      },
      {
        name: 'users',
        match: { path: '/users' },
        upstream: 'api',
        validation: {
          dialect: 'draft-07',
          body: userFile,
          contentTypes: [
            'application/json',
            'application/x-www-form-urlencoded',
            'multipart/form-data',
          ],
        },
      },
      {
        name: 'pets',
        match: { path: '/v1/*' },
        openapi: petsFile,
        upstream: 'api',
        rewrite: { stripPrefix: '/v1' },
      },
    ],
  });
});

afterAll(async () => {
  await gateway.stop();
  await upstream.close();
  rmSync(folder, { recursive: true });
});

beforeEach(() => {
  upstream.received.length = 0;
});

interface Answer {
  readonly status: number;
  readonly violations: readonly string[];
  readonly code: string;
}

async function ask(
  path: string,
  init: RequestInit & { headers?: Record<string, string> } = {},
): Promise<Answer> {
  const reply = await fetch(`${gateway.url}${path}`, init);
  const document = (await reply.json()) as {
    code?: string;
    violations?: { in: string; pointer: string; rule: string }[];
  };
  const violations = (document.violations ?? []).map(
    (one) => `${one.in}${one.pointer} ${one.rule}`,
  );
  return { status: reply.status, violations: violations.sort(), code: document.code ?? '' };
}

const item = (body: string, query = '', headers: Record<string, string> = {}) =>
  ask(`/items/7${query}`, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', 'x-token': 't', ...headers },
  });

describe('validation', () => {
  it('lets through what fits, byte for byte', async () => {
    const body = '{ "name": "\\u0061",\n "count": 1.0 }';
    expect((await item(body, '?page=2')).status).toBe(200);
    expect(upstream.received[0]?.body.toString()).toBe(body);
  });

  it('asks for a body where the method can bring one', async () => {
    const headers = { 'x-token': 't' };
    expect((await ask('/items/7', { headers })).status).toBe(200);
    expect(await ask('/items/7', { method: 'PUT', headers })).toMatchObject({
      status: 400,
      violations: ['body required'],
    });
  });

  it('names every violation in one answer, and lets nothing through', async () => {
    const answer = await ask('/items/700?page=x&other=1', {
      method: 'POST',
      body: '{"name":"too long","extra":1}',
      headers: { 'content-type': 'application/json' },
    });
    expect(answer).toEqual({
      status: 400,
      code: 'GW_VALIDATION_FAILED',
      violations: [
        'body/count required',
        'body/extra additionalProperties',
        'body/name maxLength',
        'headers/x-token required',
        'params/id maximum',
        'query/other additionalProperties',
        'query/page type',
      ],
    });
    expect(upstream.received).toEqual([]);
  });

  it.each([
    ['{"name":"a","count":1,"count":2}', 'body uniqueNames'],
    ['{"name":"a","count":1,"c\\u006funt":2}', 'body uniqueNames'],
    [`{"name":"a","count":1,"list":${'['.repeat(9)}${']'.repeat(9)}}`, 'body maxDepth'],
    [`{"name":"a","count":1,"list":[${'1,'.repeat(60)}1]}`, 'body maxMembers'],
    ['{"name":"a","count":1', 'body json'],
    ['\ufeff{"name":"a","count":1}', 'body json'],
    ['{"name":"a","count":1,"__proto__":{"x":1}}', 'body/__proto__ additionalProperties'],
    ['{"constructor":1,"count":1}', 'body/constructor additionalProperties,body/name required'],
    ['null', 'body type'],
    ['', 'body required'],
  ])('refuses the body %s', async (body, violation) => {
    const answer = await item(body);
    expect([answer.status, answer.violations.join(',')]).toEqual([400, violation]);
    expect(upstream.received).toEqual([]);
  });

  it.each([
    ['text/plain', undefined],
    ['application/json; charset=latin1', undefined],
    ['application/json', 'deflate'],
    ['application/json', 'gzip, gzip'],
    ['application/jsonp', undefined],
  ])('refuses bodies of %s with coding %s', async (type, coding) => {
    const headers = { 'content-type': type, ...(coding && { 'content-encoding': coding }) };
    expect(await item('{"name":"a","count":1}', '', headers)).toMatchObject({
      status: 415,
      code: 'GW_MEDIA_TYPE',
    });
  });

  it('refuses bytes that are no UTF-8', async () => {
    const head =
      'POST /items/7 HTTP/1.1\r\nHost: x\r\nX-Token: t\r\nContent-Type: application/json\r\n';
    const body = '{"name":"\xff","count":1}';
    const { status } = await rawExchange(gateway.port, [
      `${head}Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
    ]);
    expect(status).toBe(400);
  });

  it('refuses two media types, of which a target could read the other', async () => {
    const body = '{"name":"a","count":1}';
    const { status } = await rawExchange(gateway.port, [
      'POST /items/7 HTTP/1.1\r\nHost: x\r\nX-Token: t\r\nContent-Type: application/json\r\n' +
        `Content-Type: text/xml\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
    ]);
    expect(status).toBe(415);
  });

  it.each([
    ['known', `Content-Length: 2049\r\n\r\n${'x'.repeat(2049)}`],
    ['not known', `Transfer-Encoding: chunked\r\n\r\n801\r\n${'x'.repeat(2049)}\r\n0\r\n\r\n`],
  ])('bounds bodies whose length is %s', async (_, rest) => {
    const head =
      'POST /items/7 HTTP/1.1\r\nHost: x\r\nX-Token: t\r\nContent-Type: application/json\r\n';
    const { status } = await rawExchange(gateway.port, [head + rest], { until: /\r\n\r\n/ });
    expect(status).toBe(413);
    expect(upstream.received).toEqual([]);
  });

  it('judges forms, and lets types through that cannot be judged', async () => {
    const send = (body: string, type: string) =>
      ask('/users', { method: 'POST', body, headers: { 'content-type': type } });
    const form = 'application/x-www-form-urlencoded';
    expect((await send('name=a+b', form)).status).toBe(200);
    expect((await send('nam=a', form)).violations).toEqual(['body/name required']);
    expect((await send('name=a&name=b', form)).violations).toEqual(['body/name type']);
    expect((await send('name=%ff', form)).violations).toEqual(['body encoding']);
    expect((await send('x'.repeat(500_000), 'multipart/form-data; boundary=x')).status).toBe(200);
  });
});

describe('an OpenAPI document', () => {
  const pet = (body: string, type = 'application/json') =>
    ask('/v1/pets', { method: 'POST', body, headers: { 'content-type': type } });

  it('makes routes of its operations, and of nothing else', async () => {
    const headers = { 'x-trace': 'abc' };
    expect((await ask('/v1/pets?limit=5&tag=a&tag=b', { headers })).status).toBe(200);
    expect(upstream.received[0]?.url).toBe('/pets?limit=5&tag=a&tag=b');
    expect((await ask('/v1/pets/7')).status).toBe(200);
    expect((await ask('/v1/pets', { method: 'DELETE' })).status).toBe(405);
    expect((await ask('/v1/dogs')).status).toBe(404);
    expect((await ask('/v1/')).status).toBe(404);
  });

  it('validates parameters and bodies as it says', async () => {
    expect((await ask('/v1/pets?limit=101')).violations).toEqual([
      'headers/x-trace required',
      'query/limit maximum',
    ]);
    expect((await ask('/v1/pets/x')).violations).toEqual(['params/pet_id type']);
    expect((await pet('{"name":"Rex","age":1,"owner":null}')).status).toBe(200);
    expect((await pet('{"name":1,"age":0,"owner":{"email":"x"},"x":1}')).violations).toEqual([
      'body/age exclusiveMinimum',
      'body/name type',
      'body/owner/email format',
      'body/x additionalProperties',
    ]);
    expect((await pet('x', 'text/plain')).status).toBe(415);
    expect((await pet('png', 'image/png')).status).toBe(200);
  });
});
