import { describe, expect, it } from 'vitest';
import { runCommandLine } from '../../../src/cli/command-line.js';
import type { Explanation } from '../../../src/explain/explanation.js';
import { capturedIo } from './captured-io.js';
import { ANSWERING, configFolder, SAMPLE } from './config-folder.js';

const writeFile = configFolder();

async function call(...argv: string[]) {
  const io = capturedIo();
  const code = await runCommandLine([...argv, '-c', writeFile(SAMPLE)], io, async () => 0);
  return { code, out: io.out(), err: io.err() };
}

async function explain(...argv: string[]): Promise<Explanation> {
  const { code, out, err } = await call('explain', ...argv, '--json');
  expect(err).toBe('');
  expect(code).toBe(0);
  return JSON.parse(out) as Explanation;
}

const OPEN = `routes:
  - name: open
    match: { path: /open }
    upstream: api
    authenticate: [users]
    anonymous: allow
    rateLimit:
      - { name: guests, limit: 2, window: 1s, callers: anonymous }
      - { name: known, limit: 3, window: 1s, callers: identified }
      - { name: each, limit: 4, window: 1s, key: consumer }
`;

describe('explain', () => {
  it('names every route that could take the request, and why each lost', async () => {
    const { candidates, othersCount, route } = await explain('DELETE', '/api/users/7');
    expect(route).toBe('');
    expect(candidates.map((one) => [one.route, one.isChosen, one.why])).toEqual([
      ['users', false, 'takes GET, POST, not DELETE'],
      ['public', false, 'segment 2 is "public", not "users"'],
      ['products', false, 'segment 2 is "products", not "users"'],
    ]);
    expect(othersCount).toBe(0);
  });

  it('takes the steps in order, up to the one that refuses', async () => {
    const { steps, outcome } = await explain('GET', '/api/users/7');
    expect(steps.map(({ step, result }) => [step, result])).toEqual([
      ['enter', 'passes'],
      ['authenticate', 'refuses'],
      ['rateLimit', 'notReached'],
      ['circuitBreaker', 'notReached'],
      ['loadBalancing', 'notReached'],
      ['edit', 'notReached'],
      ['rewrite', 'notReached'],
      ['forward', 'notReached'],
    ]);
    expect(outcome).toMatchObject({ kind: 'refused', status: 401, code: 'GW_UNAUTHORIZED' });
  });

  it('says of a refusal what its body is, where that is configured', async () => {
    const file = writeFile(`errors: { 404: { html: "<p>{{detail}}" } }\n${SAMPLE}`, 'pages.yaml');
    const outcomeWith = async (...more: string[]) => {
      const io = capturedIo();
      const argv = ['explain', 'GET', '/nowhere', '-c', file, ...more];
      expect(await runCommandLine(argv, io, async () => 0)).toBe(0);
      return io.out();
    };
    const html = await outcomeWith('-H', 'Accept: text/html');
    expect(html).toContain('404 GW_ROUTE_NOT_FOUND (routing), as text/html; charset=utf-8: ');
    expect(await outcomeWith()).toContain('404 GW_ROUTE_NOT_FOUND (routing): ');
    const asJson = JSON.parse(await outcomeWith('-H', 'Accept: text/html', '--json'));
    expect(asJson.outcome.bodyType).toBe('text/html; charset=utf-8');
  });

  it('tells what a client of gRPC gets of a refusal, and how long its call may take', async () => {
    const route =
      'routes:\n  - { name: calls, match: { grpc: { service: a.B } }, upstream: calls, timeout: 9s }';
    const calls = 'calls: { targets: [{ url: "http://127.0.0.1:1" }], protocol: h2c }';
    const sample = SAMPLE.replace('routes:', route).replace('upstreams:', `upstreams:\n  ${calls}`);
    const file = writeFile(`errors: { 404: { html: "<p>" } }\n${sample}`);
    const explainCall = async (path: string, ...more: string[]) => {
      const io = capturedIo();
      const argv = ['explain', 'POST', path, '-c', file, '-H', 'Content-Type: application/grpc'];
      expect(await runCommandLine([...argv, ...more], io, async () => 0), io.err()).toBe(0);
      return io.out();
    };
    expect(await explainCall('/nowhere.S/M', '-H', 'Accept: text/html')).toContain(
      'is answered with 404 GW_ROUTE_NOT_FOUND (routing), in gRPC UNIMPLEMENTED: ',
    );
    const forwarded = await explainCall('/a.B/Get', '-H', 'grpc-timeout: 2S', '--json');
    const { steps, outcome } = JSON.parse(forwarded) as Explanation;
    expect(steps[0]).toEqual({
      step: 'grpc',
      result: 'passes',
      detail: 'a.B/Get, for 2000 ms at most',
    });
    expect(outcome.kind).toBe('forwarded');
    const refused = await explainCall('/a.B/Get', '-H', 'grpc-timeout: soon', '--json');
    expect(JSON.parse(refused).outcome).toMatchObject({
      status: 400,
      grpcStatus: 'INVALID_ARGUMENT',
    });
  });

  it('reads the head as the engine of its listener does', async () => {
    const listen =
      'listen: [{ name: web, port: 1 }, { name: strict, port: 2, rawCharacters: refuse }, ' +
      '{ name: plain, port: 3, redirectToHttps: true }]\n';
    const file = writeFile(`${listen}${ANSWERING}`, 'listeners.yaml');
    const outcomeAt = async (listener: string) => {
      const io = capturedIo();
      const argv = ['explain', 'GET', '/products/a|b', '-c', file, '--json'];
      expect(await runCommandLine([...argv, '--listener', listener], io, async () => 0)).toBe(0);
      return (JSON.parse(io.out()) as Explanation).outcome;
    };
    expect(await outcomeAt('web')).toMatchObject({ upstreamTarget: '/products/a%7Cb' });
    expect(await outcomeAt('strict')).toMatchObject({ status: 400, code: 'GW_TARGET_INVALID' });
    expect(await outcomeAt('plain')).toMatchObject({ status: 308 });
    const io = capturedIo();
    const argv = ['explain', 'GET', '/', '--listener', 'wab', '-c', file];
    expect(await runCommandLine(argv, io, async () => 0)).toBe(2);
    expect(io.err()).toContain('there is no listener "wab"; known: web, strict, plain\n');
  });

  it('names the limits that are for anonymous callers, and nobody as the caller', async () => {
    const file = writeFile(SAMPLE.replace('routes:', OPEN), 'open.yaml');
    const io = capturedIo();
    const argv = ['explain', 'GET', '/open', '-c', file, '--json'];
    expect(await runCommandLine(argv, io, async () => 0)).toBe(0);
    const { request, limits, steps } = JSON.parse(io.out()) as Explanation;
    expect(request.consumer).toBe('');
    expect(limits).toMatchObject([
      { limit: 'guests', key: 'clientIp=127.0.0.1' },
      { limit: 'each', key: 'clientIp=127.0.0.1' },
    ]);
    expect(steps.find(({ step }) => step === 'authenticate')).toEqual({
      step: 'authenticate',
      result: 'passes',
      detail: 'no credentials: anonymous, whom the route lets in',
    });
  });

  it('believes a token that the configuration accepts', async () => {
    const token = (await call('token', '--sub', 'alice')).out.trim();
    const header = ['-H', `Authorization: Bearer ${token}`];
    const { request, outcome, limits } = await explain('GET', '/api/users/7?x=1', ...header);
    expect(request.consumer).toBe('alice');
    expect(limits).toMatchObject([{ limit: 'users', key: 'consumer=alice', remaining: 5 }]);
    const forged = await explain('GET', '/api/users/7', '-H', 'Authorization: Bearer a.b.c');
    expect(forged.outcome).toMatchObject({ status: 401 });
    expect(outcome).toEqual({
      kind: 'forwarded',
      target: '127.0.0.1:8001',
      upstreamTarget: '/api/users/7?x=1',
    });
  });

  it('says which of many requests a limit refuses', async () => {
    const of = async (repeat: number) => {
      const options = ['--consumer', 'bob', '--repeat', String(repeat)];
      const { limits, outcome } = await explain('GET', '/api/users/7', ...options);
      return [limits[0]?.remaining, outcome.kind];
    };
    expect(await of(1)).toEqual([5, 'forwarded']);
    expect(await of(5)).toEqual([1, 'forwarded']);
    expect(await of(6)).toEqual([0, 'refused']);
  });

  it('counts by what the limit counts by, and takes targets in turn', async () => {
    const header = ['-H', 'X-Key: k1', '--repeat', '2'];
    const { limits, targets } = await explain(
      'PUT',
      'http://api.example/api/products/1',
      ...header,
    );
    expect(limits).toMatchObject([
      { algorithm: 'tokenBucket', key: 'header:x-key=k1', quota: 2, remaining: 8 },
    ]);
    expect(targets.map(({ target, isPicked }) => [target, isPicked])).toEqual([
      ['127.0.0.1:8003', false],
      ['127.0.0.1:8004', true],
    ]);
  });

  it.each([
    ['GET', '/..;/b', 'GW_TARGET_INVALID'],
    ['GET', '/a;b', 'GW_ROUTE_NOT_FOUND'],
    ['GET', '/a%2Fb', 'GW_ROUTE_NOT_FOUND'],
    ['BREW', '/api/public', 'GW_METHOD_NOT_ALLOWED'],
    ['CONNECT', '/api/public', 'GW_METHOD_UNKNOWN'],
    ['GET', '/nowhere', 'GW_ROUTE_NOT_FOUND'],
    ['POST', '/api/public', 'GW_METHOD_NOT_ALLOWED'],
  ])('%s %s is %s', async (method, url, code) => {
    expect((await explain(method, url)).outcome).toMatchObject({ kind: 'refused', code });
  });

  it('runs the filters of the route, and says which of them answers', async () => {
    const config = writeFile(
      `
upstreams: { api: { targets: [{ url: "http://127.0.0.1:8001" }] } }
routes:
  - { name: all, match: { path: /* }, upstream: api }
  - name: inner
    match: { path: /inner, methods: [GET] }
    upstream: api
    ipFilter: { allow: [10.0.0.0/8] }
  - { name: gone, match: { path: /gone }, respond: { status: 410 } }
  - name: people
    match: { path: /gone, not: [{ headers: { X-Bot: { prefix: a } } }] }
    upstream: api
`,
      'filters.yaml',
    );
    const of = async (...argv: string[]) => {
      const io = capturedIo();
      const words = ['explain', ...argv, '-c', config, '--json'];
      expect(await runCommandLine(words, io, async () => 0), io.err()).toBe(0);
      return JSON.parse(io.out()) as Explanation;
    };
    const denied = await of('GET', '/inner');
    expect(denied.outcome).toMatchObject({ code: 'GW_ADDRESS_DENIED', part: 'ipFilter' });
    expect(denied.steps[0]).toMatchObject({ step: 'enter', result: 'refuses' });
    const allowed = await of('GET', '/inner/', '--from', '10.1.2.3');
    expect(allowed).toMatchObject({ route: 'inner', outcome: { kind: 'forwarded' } });
    expect(allowed.steps[0]).toMatchObject({ detail: 'ipFilter', result: 'passes' });
    const closed = await of('POST', '/inner');
    expect(closed.outcome).toMatchObject({ status: 405 });
    expect(closed.candidates.map(({ route, why }) => [route, why])).toEqual([
      ['all', 'another route has this path, for all methods'],
      ['inner', 'takes GET, not POST'],
      ['gone', 'segment 1 is "gone", not "inner"'],
      ['people', 'segment 1 is "gone", not "inner"'],
    ]);
    const answered = await of('GET', '/gone', '-H', 'X-Bot: ab');
    expect(answered.candidates.map(({ route, why }) => [route, why])).toContainEqual([
      'people',
      'only if header x-bot does not begin with "a"',
    ]);
    expect(answered).toMatchObject({ upstream: '', outcome: { kind: 'answered', status: 410 } });
    expect(answered.targets).toEqual([]);
  });

  it('sends nothing to a target where the token service answers', async () => {
    const config = writeFile(ANSWERING, 'answering.yaml');
    const io = capturedIo();
    const words = ['explain', 'GET', '/.well-known/jwks.json', '-c', config, '--json'];
    expect(await runCommandLine(words, io, async () => 0), io.err()).toBe(0);
    const explanation = JSON.parse(io.out()) as Explanation;
    expect(explanation).toMatchObject({ route: 'keys', upstream: '', targets: [] });
    expect(explanation.outcome).toMatchObject({ kind: 'answered', status: 200 });
    expect(explanation.steps.map(({ step, result }) => [step, result])).toEqual([
      ['enter', 'passes'],
      ['authenticate', 'passes'],
      ['rateLimit', 'passes'],
      ['edit', 'passes'],
      ['tokenService', 'answers'],
    ]);
  });

  it('shows a reply that the route gives itself as an answer, not as a refusal', async () => {
    const config = writeFile(ANSWERING, 'answering.yaml');
    const io = capturedIo();
    const words = ['explain', 'GET', '/hello', '-c', config];
    expect(await runCommandLine(words, io, async () => 0), io.err()).toBe(0);
    expect(io.out()).toContain('is answered with 200');
    expect(io.out()).not.toContain('REFUSED');
    expect(io.out()).toMatch(/respond +ANSWERS +status 200/);
  });

  it('counts a limit of a route that answers itself, whatever its upstreams do', async () => {
    const config = writeFile(ANSWERING, 'answering.yaml');
    const of = async (repeat: string) => {
      const io = capturedIo();
      const words = ['explain', 'GET', '/few', '--repeat', repeat, '-c', config, '--json'];
      expect(await runCommandLine(words, io, async () => 0), io.err()).toBe(0);
      return JSON.parse(io.out()) as Explanation;
    };
    const second = await of('2');
    expect(second.limits).toMatchObject([{ limit: 'few', quota: 2, remaining: 1, hasRoom: true }]);
    expect(second.outcome).toMatchObject({ kind: 'answered', status: 200 });
    const third = await of('3');
    expect(third.outcome).toMatchObject({ kind: 'refused', status: 429, part: 'rateLimit' });
    expect(third.steps.map(({ step, result }) => [step, result])).toEqual([
      ['enter', 'passes'],
      ['authenticate', 'passes'],
      ['rateLimit', 'refuses'],
      ['respond', 'notReached'],
    ]);
    expect(third.targets).toEqual([]);
  });

  it('is readable, and shows no control characters of the request', async () => {
    const { out } = await call('explain', 'GET', '/api/public', '--consumer', 'a\u001b[31mb');
    expect(out).toContain('goes to 127.0.0.1:8001 as /api/public');
    expect(out).toMatch(/=> {2}public {4}GET \/api\/public/);
    expect(out).not.toContain('\u001b');
  });

  it.each([
    [['explain'], 'takes a method and a URL'],
    [['explain', 'GET'], 'takes a method and a URL'],
    [['explain', 'GET', '/a', '/b'], 'unexpected argument "/b"'],
    [['explain', 'GET', 'ftp://x/'], 'must begin with /'],
    [['explain', 'GET', '/', '-H', 'nocolon'], '-H must be "name: value"'],
    [['explain', 'GET', '/', '--from', 'here'], '--from must be an IP address'],
    [['explain', 'GET', '/', '--admin', 'http://ada:pw@h'], '--admin takes no user and password: '],
    [['explain', 'GET', '/', '--admin', 'ftp://h'], '--admin takes a URL such as'],
    [['explain', 'GET', '/', '--repeat', '0'], '--repeat must be an integer'],
  ])('%j is wrong usage', async (argv, message) => {
    const { code, err } = await call(...argv);
    expect(code).toBe(2);
    expect(err).toContain(message);
  });

  it('fails when no gateway answers', async () => {
    const { code, err } = await call('explain', 'GET', '/', '--admin', '127.0.0.1:65531');
    expect(code).toBe(1);
    expect(err).toMatch(/^sluice: no answer from http:\/\/127\.0\.0\.1:65531: .*ECONNREFUSED.*\n$/);
  });
});
