/**
 * A gateway with every feature that looks at the head of a request or changes it, what clients send
 * to it, and what their targets answer: for comparing requests whose heads come again with the same
 * ones, each of which comes first.
 */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { below, type Random } from '../fuzz/mutations.js';
import { JWT_SECRET } from './configs.js';
import type { FakeUpstream } from './fake-upstream.js';
import type { SentRequest } from './head-client.js';
import { signHs256 } from './hs256-token.js';

/** A proxy that is believed; other clients are not. */
export const TRUSTED = '127.0.0.3';
export const BLOCKED = '127.0.0.4';
export const ADMIN_TOKEN = 'a-token-for-tests-of-heads';

const KEY = 'a-key-of-some-partner';
const SHA256 = createHash('sha256').update(KEY).digest('hex');
const SOON = Math.floor(Date.now() / 1000) + 3600;
const TOKENS = ['ada', 'bob'].map((sub) => signHs256({ sub, exp: SOON, role: `r-${sub}` }));
const [ADA = '', BOB = ''] = TOKENS;
const OVER = signHs256({ sub: 'ada', exp: SOON - 7200, role: 'r-ada' });
const ORIGIN = 'https://app.example';

/** A plugin that reads and changes what it can of a request. */
function pluginFile(folder: string): string {
  const file = join(folder, 'edits.js');
  writeFileSync(
    file,
    `import { definePlugin } from 'sluice';
export default definePlugin({
  name: 'edits',
  setup: () => ({
    async onRequest(request) {
      request.setHeader('x-seen', [request.params.id, request.target, request.clientIp].join(' '));
      try { request.params.id += '-written'; } catch {}
      if (request.header('x-kind') === 'a') request.removeHeader('x-kind');
      if (request.header('x-kind') === 'b') request.removeHeader('authorization');
      if (request.header('x-kind') === 'c') return { status: 418, body: request.path };
      request.log('kind', request.header('x-kind'));
    },
    onReply(reply, request) { reply.setHeader('x-replied', request.path); },
  }),
});
`,
  );
  return file;
}

export interface ScenarioParts {
  readonly url: string;
  readonly copies: string;
  readonly folder: string;
  /** Files of the gateway's certificate, and of the authority of its clients. */
  readonly pair: { readonly cert: string; readonly key: string };
  readonly ca: string;
}

/** `version`: what differs from one version of the configuration to the next. */
export function configOf(
  { url, copies, folder, pair, ca }: ScenarioParts,
  version: string,
): Record<string, unknown> {
  const isSecond = version === 'two';
  const route = (name: string, more: Readonly<Record<string, unknown>> = {}) => ({
    ...{ name, match: { path: `/${name}/*` }, upstream: 'api' },
    ...more,
  });
  const limit = { limit: isSecond ? 6 : 4, window: '1h' };
  return {
    listen: [
      { name: 'plain', port: 0, engine: 'wire', keepAliveRequests: 400 },
      { name: 'behind', port: 0, engine: 'wire', proxyProtocol: 'v1' },
      {
        ...{ name: 'secure', port: 0, engine: 'wire' },
        tls: { certificates: [pair], clientCertificates: { mode: 'request', ca } },
      },
    ],
    admin: { port: 0, token: ADMIN_TOKEN },
    ...{ acceptors: 1, workers: 2 },
    reload: { watch: false },
    logging: { level: 'info', accessLog: { headers: ['user-agent', 'x-kind', 'authorization'] } },
    hardening: { faults: 'allow' },
    trustedProxies: [TRUSTED, '127.0.0.5', ...(isSecond ? ['203.0.113.77'] : [])],
    requestId: { accept: isSecond ? 'anyone' : 'trustedProxies' },
    via: isSecond ? 'both' : 'off',
    cache: { memory: '4MiB' },
    versioning: { by: 'header', header: 'x-version', default: '1' },
    plugins: [{ name: 'edits', file: pluginFile(folder) }],
    authenticators: {
      users: { type: 'jwt', algorithms: ['HS256'], secret: JWT_SECRET },
      told: {
        ...{ type: 'jwt', algorithms: ['HS256'], secret: JWT_SECRET },
        ...{ from: ['header:authorization', 'query:access_token', 'cookie:token'] },
        claimHeaders: { 'x-user': 'sub', 'x-role': 'role' },
        forwardCredentials: isSecond,
      },
      certified: {
        ...{ type: 'clientCertificate', consumerFrom: 'commonName' },
        ...{ claimHeaders: { 'x-user': 'sub' }, forwardCredentials: isSecond },
      },
      keys: { type: 'apiKey', header: 'x-api-key', keys: [{ id: 'acme', sha256: SHA256 }] },
    },
    upstreams: {
      api: {
        targets: [{ url }],
        circuitBreaker: { failureThreshold: 1000 },
        retry: { attempts: 1, on: [503], budgetPercent: 100, minConcurrency: 10_000 },
      },
      kept: { targets: [{ url }], preserveHost: true, circuitBreaker: { failureThreshold: 1000 } },
      copies: { targets: [{ url: copies }] },
    },
    routes: [
      route('plain'),
      route('kept', { upstream: 'kept', compression: true }),
      route('set', {
        rewrite: {
          stripPrefix: '/set',
          headers: { set: { 'x-set': version }, remove: ['x-kind', 'user-agent'] },
        },
      }),
      route('added', {
        match: { path: '/added/:id' },
        rewrite: {
          path: `/new/\${params.id}/${version}`,
          query: { remove: ['debug'], set: { from: `\${clientIp}` } },
          headers: {
            set: { 'x-from': `\${headers.user-agent}` },
            rename: { 'x-kind': 'x-sort' },
          },
        },
        rewriteReply: { headers: { set: { 'x-path': `\${params.id}` }, remove: ['x-inner'] } },
      }),
      route('body', {
        rewrite: { body: { set: { '/source': version }, remove: ['/internal'] } },
        rewriteReply: { body: { remove: ['/headers/x-kind'] } },
      }),
      route('users', { authenticate: ['users'], securityHeaders: true }),
      route('told', { authenticate: ['told', 'keys'], upstream: 'kept', anonymous: 'allow' }),
      route('certified', { authenticate: ['certified'], cache: isSecond ? undefined : {} }),
      // What a reload makes of routes whose heads are known.
      route('closed', isSecond ? { authenticate: ['users'] } : { cache: {} }),
      route('filtered', isSecond ? { ipFilter: { allow: ['127.0.0.2'] } } : {}),
      route('extended', isSecond ? { plugins: ['edits'] } : {}),
      route('limited', isSecond ? { rateLimit: { ...limit, key: 'clientIp' } } : {}),
      route(isSecond ? 'taken' : 'given', { match: { path: '/renamed/*' } }),
      route('few', { rateLimit: { ...limit, key: 'clientIp' } }),
      route('named', { rateLimit: { ...limit, key: ['header:x-kind', 'clientIp'] } }),
      route('caller', {
        authenticate: ['users'],
        rateLimit: [{ limit: 30, window: '1h', key: 'clientIp' }],
      }),
      route('stored', { cache: { key: { query: ['page', 'c'], headers: ['x-kind'] } } }),
      route('pages', {
        cors: { origins: [ORIGIN], headers: ['x-kind'], credentials: true },
        deprecation: { since: '2026-01-01', sunset: '2099-12-31', link: 'https://a.example/v2' },
      }),
      route('local', { upstream: undefined, respond: { body: `from ${version}` } }),
      route('away', {
        upstream: undefined,
        redirect: { to: `https://new.example/${version}/\${params.*}` },
      }),
      route('inside', { ipFilter: { deny: [BLOCKED, '203.0.113.0/24'] } }),
      route('guarded', {
        guards: { headerCount: 9, bodyBytes: '1KiB' },
        validation: { query: { properties: { n: { type: 'integer' } } } },
      }),
      route('copied', { mirror: { upstream: 'copies', maxInFlight: 1000 } }),
      route('shared', {
        upstream: undefined,
        upstreams: [
          { name: 'api', weight: 1 },
          { name: 'kept', weight: 1 },
        ],
        split: { key: 'header:x-kind', header: 'x-side' },
      }),
      route('failing', { fallback: { upstreams: ['kept'], on: [500] } }),
      route('faulty', { faults: { abort: 503, when: { header: 'x-kind', value: 'a' } } }),
      route('plugged', { match: { path: '/plugged/:id' }, plugins: ['edits'] }),
      ...['1', '2'].map((number) =>
        route(`versions-${number}`, {
          match: { path: '/versions/*', version: number },
          rewrite: { headers: { set: { 'x-route': `${number}-${version}` } } },
        }),
      ),
      ...['a', 'b'].map((kind) =>
        route(`chosen-${kind}`, {
          match: { path: '/chosen', headers: { 'x-kind': kind }, priority: 3 },
          upstream: kind === 'a' ? 'api' : 'kept',
        }),
      ),
      route('asked', { match: { path: '/chosen', query: { kind: 'b' }, priority: 2 } }),
      route('baked', { match: { path: '/chosen', cookies: { kind: 'c' }, priority: 1 } }),
      route('behind', { match: { path: '/chosen', listener: 'behind', priority: -1 } }),
      route('hosts', { match: { path: '/*', hosts: ['*.shop.example'] } }),
    ],
    errors: isSecond ? { 404: { text: `{{status}} {{detail}} {{requestId}}` } } : undefined,
  };
}

const BODIED: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);
const PATHS = [
  ...['/plain', '/kept', '/set', '/added', '/body', '/users', '/told', '/few', '/named', '/caller'],
  ...['/stored', '/pages', '/local', '/away', '/inside', '/guarded', '/copied', '/shared'],
  ...['/failing', '/faulty', '/plugged', '/versions', '/chosen', '/elsewhere', '/certified'],
  ...['/closed', '/filtered', '/extended', '/limited', '/renamed'],
] as const;
/** What the target does with it. */
const DOINGS = [
  ...['echo', 'echo', 'echo', 'echo', 'long', 'chunked', 'empty', 'none', 'same', 'cookie'],
  ...['closing', 'fail', 'busy', 'early', 'dated', 'until', 'trailing'],
] as const;
const METHODS = ['GET', 'GET', 'GET', 'GET', 'HEAD', 'POST', 'PUT', 'OPTIONS', 'DELETE', 'TRACE'];
const KINDS = ['a', 'b', 'c', 'd'] as const;

/** Fields of which a head has some. */
const FIELDS: readonly string[] = [
  'User-Agent: tests "1"',
  'user-agent:   tests 2  ',
  'X-Forwarded-For: 203.0.113.9',
  'X-Forwarded-For: 203.0.113.9, 203.0.113.77',
  'X-Forwarded-Proto: https',
  'X-Forwarded-Host: far.example',
  'Forwarded: for=203.0.113.10;proto=https',
  'X-Real-IP: 203.0.113.11',
  'X-Request-Id: mine-1',
  'X-Request-Id: mine-2',
  'Via: 1.1 before',
  'CDN-Loop: other; a=1',
  'Connection: x-kind',
  'Connection: keep-alive',
  'Cookie: kind=c; b=2',
  `Cookie: token=${ADA}`,
  `Cookie: token=${BOB}; z=1`,
  `Authorization: Bearer ${ADA}`,
  `Authorization: bearer ${BOB}`,
  `Authorization: Bearer ${OVER}`,
  'Authorization: Basic eDp5',
  `X-Api-Key: ${KEY}`,
  'X-Api-Key: no-key',
  'X-Version: 2',
  'X-Version: 3',
  `Origin: ${ORIGIN}`,
  'Origin: https://evil.example',
  'Access-Control-Request-Method: GET',
  'Max-Forwards: 0',
  'Max-Forwards: 4',
  'If-None-Match: "v1"',
  'Range: bytes=0-3',
  'Cache-Control: no-cache',
  'Accept-Encoding: gzip',
  'X_Under: 1',
  'X-Side: kept',
  'Referer: https://a.example/?access_token=1&b=2',
  'Trailer: x-t',
  'X-Method-Override: PUT',
  'Proxy: http://evil.example',
  `X-Long: ${'l'.repeat(150)}`,
];

export interface ScenarioRequest extends SentRequest {
  /** It may be sent before the reply to the one before has come. */
  readonly mayFollow: boolean;
}

/** A request of the connection of this number. Two connections differ in a few bytes at most. */
export function aRequest(random: Random, connection: number): ScenarioRequest {
  const pick = <T>(from: readonly T[]): T => from[below(random, from.length)] as T;
  const method = pick(METHODS);
  const path = pick(PATHS);
  const extra = pick(['', '', '&debug=1', '&n=x', '&page=2', '&kind=b', `&access_token=${BOB}`]);
  const rest =
    path === '/chosen' ? '' : `/${pick(['i%41', 'j'])}${pick(['', '', '', '//k', '/../m'])}`;
  const target = `${path}${rest}?do=${pick(DOINGS)}&c=${connection}${extra}`;
  const isOld = below(random, 20) === 0;
  const host = pick(['h.example', 'h.example', 'H.example:80', 'a.shop.example']);
  const whole = below(random, 20) === 0 ? `http://${host}${target}` : target;
  const lines = [`${method} ${whole} HTTP/1.${isOld ? 0 : 1}`, `Host: ${host}`];
  if (below(random, 3) > 0) lines.push(`X-Kind: ${pick(KINDS)}`);
  const count = below(random, 5);
  for (let at = 0; at < count; at++) lines.push(pick(FIELDS));
  if (isOld) lines.push('Connection: keep-alive');
  const closes = below(random, 40) === 0;
  if (closes) lines.push('Connection: close');
  return { method, ...framed(random, lines, isOld, method), mayFollow: !closes };
}

/** The head with a body, or without one. */
function framed(
  random: Random,
  lines: readonly string[],
  isOld: boolean,
  method: string,
): { readonly text: string } {
  const end = '\r\n\r\n';
  const head = lines.join('\r\n');
  if (!BODIED.has(method)) return { text: head + end };
  const json = `{"a":${below(random, 10)},"internal":1}`;
  const type = 'Content-Type: application/json';
  const form = below(random, 4);
  if (form === 0 && !isOld) {
    const chunk = `${json.length.toString(16)}\r\n${json}\r\n0\r\n`;
    const trailer = below(random, 2) === 0 ? '' : 'X-T: 1\r\n';
    return { text: `${head}\r\n${type}\r\nTransfer-Encoding: chunked${end}${chunk}${trailer}\r\n` };
  }
  const coded = form === 1 ? gzipSync(json).toString('latin1') : json;
  const coding = form === 1 ? '\r\nContent-Encoding: gzip' : '';
  const expects = form === 2 && !isOld ? '\r\nExpect: 100-continue' : '';
  const fields = `${type}${coding}${expects}\r\nContent-Length: ${coded.length}`;
  return { text: `${head}\r\n${fields}${end}${coded}` };
}

/** A request with a small difference that does not change the length of its head. */
export function nearly(request: ScenarioRequest, random: Random): ScenarioRequest {
  const { text } = request;
  const edits: readonly [RegExp, string][] = [
    [/X-Kind: (?:a|c)/, 'X-Kind: b'],
    [/X-Kind: (?:b|d)/, 'X-Kind: a'],
    [/X-Kind/, 'x-kinD'],
    [/do=echo/, 'do=long'],
    [/\/j/, '/q'],
    [/X-Request-Id: mine-1/, 'X-Request-Id: mine-2'],
    [/203\.0\.113\.9/, '203.0.113.8'],
    [/X-Version: 2/, 'X-Version: 1'],
    [/^GET /, 'PUT '],
    [/"a":\d/, '"b":7'],
    [/HTTP\/1\.1\r\nHost: h/, 'HTTP/1.1\r\nHost: g'],
    [/X-Api-Key/, 'X-Api_Key'],
  ];
  const [from, to] = edits[below(random, edits.length)] ?? [/^/, ''];
  const changed = text.replace(from, to);
  // A PUT without a body is well formed.
  return { ...request, method: changed.slice(0, changed.indexOf(' ')), text: changed };
}

/** What targets answer, as the query of the request says. Calls on `upstream` keep what came. */
export function answer(
  upstream: FakeUpstream,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  upstream.keep(request, ({ method, url, rawHeaders, body }) => {
    const doing = /[?&]do=(\w+)/.exec(url)?.[1] ?? 'echo';
    const text = JSON.stringify({ method, url, rawHeaders, body: body.toString('latin1') });
    const fields: Record<string, string> = {
      'content-type': 'application/json',
      'x-inner': '1',
      'cache-control': 'max-age=3600',
      vary: 'accept',
      etag: '"v1"',
    };
    const length = { 'content-length': String(Buffer.byteLength(text)) };
    response.sendDate = doing === 'dated' || doing === 'same';
    switch (doing) {
      case 'long':
        response.writeHead(200, { ...fields, 'x-padding': 'p'.repeat(200), ...length }).end(text);
        break;
      case 'chunked':
        response.writeHead(200, fields).end(text);
        break;
      case 'empty':
        response.writeHead(204, fields).end();
        break;
      case 'none':
        response.writeHead(304, { etag: '"v1"', 'content-length': '77' }).end();
        break;
      case 'same':
        response.writeHead(200, { 'content-length': '4' }).end('same');
        break;
      case 'cookie':
        response.writeHead(200, { ...fields, 'set-cookie': `for=${method}`, ...length }).end(text);
        break;
      case 'closing':
        response.writeHead(200, { ...fields, ...length, connection: 'close' }).end(text);
        break;
      case 'fail':
        response.writeHead(500, { ...fields, ...length }).end(text);
        break;
      case 'busy':
        response.writeHead(503, { ...fields, ...length }).end(text);
        break;
      case 'early':
        response.writeEarlyHints({ link: `</${method}>; rel=preload` });
        response.writeHead(200, { ...fields, ...length }).end(text);
        break;
      case 'until':
        response.writeHead(200, { ...fields, connection: 'close' });
        response.useChunkedEncodingByDefault = false;
        response.end(text);
        break;
      case 'trailing':
        response.writeHead(200, method === 'HEAD' ? fields : { ...fields, trailer: 'x-end' });
        if (method !== 'HEAD') response.addTrailers({ 'x-end': method });
        response.end(text);
        break;
      default:
        response.writeHead(200, { ...fields, ...length }).end(text);
    }
  });
}
