import { describe, expect, it } from 'vitest';
import { runCommandLine } from '../../../src/cli/command-line.js';
import { capturedIo } from './captured-io.js';
import { ANSWERING, configFolder, SAMPLE } from './config-folder.js';

const writeFile = configFolder();

async function test(tests: string, ...argv: string[]) {
  const config = writeFile(SAMPLE);
  writeFile(tests, 'sluice.tests.yaml');
  const io = capturedIo({ ROUTE: 'public' });
  const code = await runCommandLine(['test', '-c', config, ...argv], io, async () => 0);
  return { code, out: io.out(), err: io.err() };
}

describe('test', () => {
  it('passes where everything is as expected', async () => {
    const { code, out, err } = await test(`
tests:
  - { request: GET /api/public, expect: { route: "\${ROUTE}", upstream: api, status: 0, limits: [] } }
  - { request: GET /api/users/7, expect: { code: GW_UNAUTHORIZED, authenticate: [users, staff] } }
  - { request: GET /api/users/7, consumer: alice, repeat: 5, expect: { status: 0, consumer: alice } }
  - { request: GET /api/users/7, consumer: alice, repeat: 6, expect: { status: 429 } }
  - { request: "GET /api/products/1?a=b", headers: { X-Key: k }, from: "::1",
      expect: { target: "127.0.0.1:8003", path: "/api/products/1?a=b", limits: [products] } }
  - { request: DELETE /, expect: { route: "", status: 404 } }
`);
    expect(err).toBe('');
    expect(out).toMatch(/^6 of 6 as expected \(\d+ ms\)\n$/);
    expect(code).toBe(0);
  });

  it('says what is otherwise, and where', async () => {
    const { code, out } = await test(`
tests:
  - request: GET /api/public
    expect: { route: users, status: 401 }
  - { name: fine, request: GET /api/public, expect: { route: public } }
`);
    expect(code).toBe(1);
    expect(out).toMatch(
      /^FAILED GET \/api\/public \(.*sluice\.tests\.yaml:3\)\n {2}route: expected users, found public\n {2}status: expected 401, found 0 \(forwarded\)\n/,
    );
    expect(out).toContain('1 of 2 as expected');
  });

  it('expects no upstream where the gateway answers itself', async () => {
    const config = writeFile(ANSWERING, 'answering.yaml');
    writeFile(
      `
tests:
  - { request: GET /.well-known/jwks.json, expect: { upstream: products } }
  - { request: GET /.well-known/jwks.json, expect: { upstream: "", target: "", status: 200 } }
  - { request: GET /hello, expect: { upstream: "", status: 200, code: "" } }
  - { request: GET /few, repeat: 3, expect: { status: 429, code: GW_RATE_LIMITED, limits: [few] } }
`,
      'answering.tests.yaml',
    );
    const io = capturedIo();
    expect(await runCommandLine(['test', '-c', config], io, async () => 0), io.err()).toBe(1);
    expect(io.out()).toContain('upstream: expected products, found none');
    expect(io.out()).toContain('3 of 4 as expected');
  });

  it('knows statuses of gRPC, and that there is none for others', async () => {
    const { code, out, err } = await test(`
tests:
  - { request: POST /nowhere/M, headers: { content-type: application/grpc },
      expect: { status: 404, grpcStatus: UNIMPLEMENTED } }
  - { request: POST /nowhere/M, expect: { status: 404, grpcStatus: "" } }
  - { name: other, request: POST /nowhere/M, expect: { grpcStatus: UNAVAILABLE } }
`);
    expect([code, err]).toEqual([1, '']);
    expect(out).toContain('grpcStatus: expected UNAVAILABLE, found none');
    expect(out).toContain('2 of 3 as expected');
    const wrong = await test('tests: [{ request: GET /, expect: { grpcStatus: NEVER } }]');
    expect(wrong.err).toContain('must be the name of a status of gRPC, such as UNAVAILABLE');
  });

  it('lets earlier requests be answered, so that the cache may have them', async () => {
    const config = writeFile(
      `
upstreams: { api: { targets: [{ url: "http://127.0.0.1:8001" }] } }
routes:
  - name: stored
    match: { path: /stored/* }
    upstream: api
    cache: { key: { query: [page] }, clientMayBypass: true }
  - { name: plain, match: { path: /plain }, upstream: api }
`,
      'cached.yaml',
    );
    writeFile(
      `
tests:
  - { request: GET /stored/1, expect: { cache: miss, status: 0, target: "127.0.0.1:8001" } }
  - request: GET /stored/1?page=2&a=b
    earlier: [{ request: GET /stored/1?page=2, reply: { headers: { Cache-Control: max-age=60 } } }]
    expect: { cache: hit, status: 200, target: "" }
  - request: GET /stored/1
    earlier: [{ request: GET /stored/1, ago: 61s, reply: { headers: { Cache-Control: max-age=60, ETag: '"a"' } } }]
    expect: { cache: validate, status: 0 }
  - request: GET /stored/1
    headers: { If-None-Match: '"a"' }
    earlier: [{ request: GET /stored/1, reply: { headers: { Cache-Control: max-age=60, ETag: '"a"' } } }]
    expect: { cache: hit, status: 304 }
  - request: GET /stored/1
    headers: { Accept-Language: de }
    earlier:
      - request: GET /stored/1
        headers: { Accept-Language: en }
        reply: { headers: { Cache-Control: max-age=60, Vary: Accept-Language } }
    expect: { cache: miss }
  - request: GET /stored/1
    earlier:
      - { request: GET /stored/1, reply: { headers: { Cache-Control: max-age=60 } } }
      - { request: DELETE /stored/1, reply: { status: 204 } }
    expect: { cache: miss }
  - { request: POST /stored/1, expect: { cache: bypass } }
  - { request: GET /plain, expect: { cache: none } }
  - request: GET /stored/1
    earlier: [{ request: GET /stored/1, reply: { headers: { Cache-Control: "private, max-age=60" } } }]
    expect: { cache: hit }
`,
      'cached.tests.yaml',
    );
    const io = capturedIo();
    expect(await runCommandLine(['test', '-c', config], io, async () => 0), io.err()).toBe(1);
    expect(io.out()).toContain('8 of 9 as expected');
    expect(io.out()).toContain('cache: expected hit, found miss (nothing is stored; stored if');
    expect(io.out()).toContain('earlier[0]: its reply is not stored: private');
  });

  it('tells every mistake in the table with its place', async () => {
    const { code, out, err } = await test(`
tests:
  - { request: "GET api", expect: { rout: users } }
  - { request: GET /, repeat: 0, from: here, expect: { status: 200, limits: users } }
  - { expect: {} }
  - 7
  - { request: GET /, earlier: [{ request: GET /, ago: soon }], expect: { cache: maybe } }
  - { request: GET /, earlier: [{ request: GET /, reply: { status: 99 } }], expect: {} }
  - { reqest: GET /, expect: {} }
`);
    expect(code).toBe(2);
    expect(out).toBe('');
    const lines = err.trimEnd().split('\n');
    expect(lines.map((line) => line.replace(/\(.*tests\.yaml:/, '('))).toEqual([
      'tests[0].request: must be METHOD /path, such as GET /users (3:16)',
      'tests[1].repeat: must be an integer from 1 to 10000 (4:31)',
      'tests[1].from: must be an IP address (4:40)',
      'tests[2]: missing key "request" (5:5)',
      'tests[3]: must be a mapping (6:5)',
      'tests[4].earlier[0].ago: must be a duration, such as 90s (7:56)',
      'tests[4].earlier[0]: missing key "reply" (7:33)',
      'tests[4].expect.cache: must be one of hit, stale, validate, miss, bypass, none (7:82)',
      'tests[5].earlier[0].reply.status: must be a status from 200 to 599 (8:68)',
      'tests[6].reqest: unknown key, did you mean "request"? (9:15)',
    ]);
  });

  it('needs a table', async () => {
    const { code, err } = await test('tests: []', '--tests', '/nowhere.yaml');
    expect(code).toBe(2);
    expect(err).toContain('there is no such file');
    expect((await test('tests: []')).err).toContain('at least one test');
  });
});
