/**
 * What becomes of Ingress objects: their routes, beside a file and beside one another, checked as
 * any configuration is.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type {
  AuthenticatorConfig,
  GatewayConfig,
  RouteConfig,
  UpstreamConfig,
} from '../../../../src/config/gateway-config.js';
import { type KubeJson, listAt, textsAt } from '../../../../src/config/kubernetes/kube-json.js';
import {
  HARMLESS_ANNOTATIONS,
  REFUSED_ANNOTATIONS,
} from '../../../../src/config/kubernetes/refused-annotations.js';
import type { ClusterObjects, IngressOutcome } from '../../../../src/config/kubernetes-settings.js';
import { checkWithCluster } from '../../../../src/config/source/cluster-routes.js';
import { loadClusterFile } from '../../../../src/config/source/load-config.js';

const CLASS: KubeJson = {
  metadata: { name: 'sluice' },
  spec: { controller: 'sluice.dev/ingress' },
};

const PREFIX = 'nginx.ingress.kubernetes.io/';

interface Wish {
  readonly name?: string;
  readonly namespace?: string;
  readonly created?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Annotations with whole names. */
  readonly others?: Readonly<Record<string, string>>;
  readonly spec?: KubeJson;
}

/** One host and one path, to the service `web` at port 80. */
function rule(host: string, path = '/', pathType = 'Prefix', service = 'web'): KubeJson {
  const backend = { service: { name: service, port: { number: 80 } } };
  return { ...(host !== '' && { host }), http: { paths: [{ path, pathType, backend }] } };
}

function ingress(rules: readonly KubeJson[], wish: Wish = {}): KubeJson {
  const { name = 'web', namespace = 'shop', created = '2026-01-01T00:00:00Z' } = wish;
  const own = Object.entries(wish.annotations ?? {}).map(([key, value]) => [PREFIX + key, value]);
  return {
    metadata: {
      ...{ name, namespace, uid: `uid-${namespace}-${name}`, creationTimestamp: created },
      annotations: { ...Object.fromEntries(own), ...wish.others },
    },
    spec: { ingressClassName: 'sluice', rules, ...wish.spec },
  };
}

interface Served {
  readonly routes: readonly RouteConfig[];
  readonly upstreams: Readonly<Record<string, UpstreamConfig>>;
  readonly authenticators: Readonly<Record<string, AuthenticatorConfig>>;
  readonly objects: readonly IngressOutcome[];
  readonly certificates: readonly unknown[];
}

function serve(
  ingresses: readonly KubeJson[],
  parts: Partial<ClusterObjects> & { readonly file?: Readonly<Record<string, unknown>> } = {},
): Served {
  const { file = {}, ...objects } = parts;
  const value = { kubernetes: { ingress: {} }, ...file };
  const offered = ingresses.map((object) => ({ object, before: null }));
  const all = { ingresses: offered, classes: [CLASS], secrets: [], ...objects };
  const { result, ingress: report } = checkWithCluster(value, all, {
    variableAt: () => undefined,
  });
  if (!result.isValid) throw new Error(JSON.stringify(result.findings));
  if (report === null) throw new Error('no report');
  const config: GatewayConfig = result.config;
  return {
    routes: config.routes,
    upstreams: config.upstreams ?? {},
    authenticators: config.authenticators ?? {},
    ...report,
  };
}

/** The routes without their names and methods. */
function shown({ routes }: Served): unknown[] {
  return routes.map(
    ({ name: _name, upstream, match: { methods: _methods, ...match }, ...rest }) => ({
      match,
      ...(upstream !== undefined && { upstream: upstream.replace(/-[0-9a-f]{10}$/, '') }),
      ...rest,
    }),
  );
}

/** Why the first object is refused. */
function refusal(served: Served): string {
  const [first] = served.objects;
  return first?.state === 'refused' ? first.reasons.join('; ') : `${first?.state}`;
}

const TO_WEB = { upstream: 'k8s-shop-web-80' };

describe('paths', () => {
  it.each([
    ['/', 'Prefix', '/*'],
    ['/shop', 'Prefix', '/shop/*'],
    ['/shop/', 'Prefix', '/shop/*'],
    ['/shop', 'ImplementationSpecific', '/shop/*'],
    ['/shop', 'Exact', '/shop'],
    ['/shop/', 'Exact', '/shop/'],
    ['/', 'Exact', '/'],
    ['/v1:batch', 'Exact', '/v1\\:batch'],
  ])('%s of the type %s is %s', (path, type, pattern) => {
    const served = serve([ingress([rule('a.example', path, type)])]);
    expect(shown(served)).toEqual([{ match: { path: pattern, hosts: ['a.example'] }, ...TO_WEB }]);
    expect(served.objects[0]).toMatchObject({ state: 'used', routes: 1, reasons: [] });
  });

  it('without a path are everything', () => {
    const backend = { service: { name: 'web', port: { number: 80 } } };
    const served = serve([ingress([{ http: { paths: [{ pathType: 'Prefix', backend }] } }])]);
    expect(shown(served)).toEqual([{ match: { path: '/*' }, ...TO_WEB }]);
  });

  it.each([
    ['/a.*', { 'use-regex': 'true' }, '~/a.*'],
    ['/a[0-9]+', { 'use-regex': 'true' }, '~/a[0-9]+.*'],
    ['/a/[0-9]+$', { 'use-regex': 'true' }, '~/a/[0-9]+'],
    ['/a', { 'use-regex': 'true' }, '/a/*'],
  ])('%s with use-regex is %s', (path, annotations, pattern) => {
    const served = serve([ingress([rule('', path, 'ImplementationSpecific')], { annotations })]);
    expect(served.routes.map(({ match }) => match.path)).toEqual([pattern]);
  });

  it.each([
    ['/shop(/|$)(.*)', '/$2', '/shop/*', { stripPrefix: '/shop' }],
    ['/shop(/|$)(.*)', '/app/$2', '/shop/*', { stripPrefix: '/shop', addPrefix: '/app' }],
    ['/shop/(.*)', '/$1', '/shop/*', { stripPrefix: '/shop' }],
    ['/shop/?(.*)', '/$1', '/shop/*', { stripPrefix: '/shop' }],
    ['/(.*)', '/app/$1', '/*', { addPrefix: '/app' }],
    ['/(.*)', '/$1', '/*', undefined],
    ['/shop', '/', '/shop/*', { path: '/' }],
    ['/shop', '/fixed', '/shop/*', { path: '/fixed' }],
  ])('%s is rewritten to %s', (path, target, pattern, rewrite) => {
    const annotations = { 'rewrite-target': target };
    const served = serve([ingress([rule('', path, 'ImplementationSpecific')], { annotations })]);
    expect(served.routes.map((route) => [route.match.path, route.rewrite])).toEqual([
      [pattern, rewrite],
    ]);
  });

  it.each([
    ['/shop(/|$)(.*)', '/$1'],
    ['/([a-z]+)/(.*)', '/$2/$1'],
    ['/shop', '/$1'],
    ['/shop(/|$)(.*)', '/$2/end'],
  ])('%s with the target %s is refused', (path, target) => {
    const annotations = { 'rewrite-target': target };
    const served = serve([ingress([rule('', path, 'ImplementationSpecific')], { annotations })]);
    expect(refusal(served)).toContain('rewrite-target');
  });

  it.each([
    ['a', 'Prefix', 'does not begin with "/"'],
    ['/a//b', 'Prefix', '"//"'],
    ['/a/../b', 'Prefix', '".."'],
    ['/a', 'Sometimes', 'pathType'],
    ['/a(b|c)', 'Prefix', 'use-regex'],
  ])('%s of the type %s are refused', (path, type, reason) => {
    expect(refusal(serve([ingress([rule('', path, type)])]))).toContain(reason);
  });
});

describe('hosts', () => {
  it('with a star are one label, whatever its case and the port', () => {
    const [route] = serve([ingress([rule('*.Shop.example')])]).routes;
    expect(route?.match.hosts).toEqual(['*.shop.example']);
    const condition = route?.match.headers?.['host'];
    const pattern = typeof condition === 'object' ? (condition.pattern ?? '') : '';
    const isTaken = new RegExp(`^${pattern.replace('(?i)', '')}$`, 'i');
    expect(isTaken.test('a.shop.example')).toBe(true);
    expect(isTaken.test('A.SHOP.example:8080')).toBe(true);
    expect(isTaken.test('a.b.shop.example')).toBe(false);
    expect(isTaken.test('axshop.example')).toBe(false);
  });

  it('are refused when they are none', () => {
    expect(refusal(serve([ingress([rule('a_b..c')])]))).toContain('no name of a host');
  });

  it('have further names', () => {
    const annotations = { 'server-alias': 'b.example, c.example' };
    const [route] = serve([ingress([rule('a.example')], { annotations })]).routes;
    expect(route?.match.hosts).toEqual(['a.example', 'b.example', 'c.example']);
  });
});

describe('a default backend', () => {
  const defaultBackend = { service: { name: 'rest', port: { name: 'http' } } };

  it('without rules is for everything', () => {
    const served = serve([ingress([], { spec: { defaultBackend } })]);
    expect(shown(served)).toEqual([{ match: { path: '/*' }, upstream: 'k8s-shop-rest-http' }]);
  });

  it('is for what the rules of a host leave', () => {
    const rules = [rule('a.example', '/a'), rule('b.example'), { host: 'c.example' }];
    const served = serve([ingress(rules, { spec: { defaultBackend } })]);
    expect(
      served.routes.map(({ match, upstream }) => [match.hosts?.[0], match.path, upstream]),
    ).toEqual([
      ['a.example', '/a/*', expect.stringContaining('-web-')],
      ['b.example', '/*', expect.stringContaining('-web-')],
      ['a.example', '/*', expect.stringContaining('-rest-')],
      ['c.example', '/*', expect.stringContaining('-rest-')],
    ]);
  });

  it('that is a resource is refused', () => {
    const other = { resource: { kind: 'Bucket', name: 'x' } };
    const served = serve([ingress([], { spec: { defaultBackend: other } })]);
    expect(refusal(served)).toContain('resource');
  });
});

describe('classes', () => {
  const plain = (spec: KubeJson, others = {}) => ingress([rule('')], { spec, others });
  const older = { 'kubernetes.io/ingress.class': 'sluice' };
  const byDefault = {
    ...CLASS,
    metadata: {
      name: 'sluice',
      annotations: { 'ingressclass.kubernetes.io/is-default-class': 'true' },
    },
  };

  it.each([
    ['named', plain({}), [CLASS], true],
    ['of another controller', plain({}), [{ ...CLASS, spec: { controller: 'x/y' } }], false],
    ['that is not there', plain({}), [], false],
    ['of another name', plain({ ingressClassName: 'nginx' }), [CLASS], false],
    ['of the annotation', plain({ ingressClassName: undefined }, older), [CLASS], true],
    ['by default', plain({ ingressClassName: undefined }), [byDefault], true],
    ['of nobody', plain({ ingressClassName: undefined }), [CLASS], false],
    ['that cannot be read', plain({}), null, true],
  ])('%s decide', (_what, object, classes, isServed) => {
    expect(serve([object], { classes }).objects).toHaveLength(isServed ? 1 : 0);
  });
});

/** What the annotations make of the route, and of its upstream. */
function changed(annotations: Readonly<Record<string, string>>): unknown {
  const served = serve([ingress([rule('')], { annotations })], {
    file: { errors: { '5xx': { text: 'sorry' } } },
  });
  const [outcome] = served.objects;
  if (outcome?.state !== 'used') return refusal(served);
  const [route] = served.routes;
  const { name: _name, match: _match, upstream = '', ...rest } = route ?? { name: '', match: {} };
  const {
    targets,
    preserveHost: _host,
    timeouts,
    ...policies
  } = served.upstreams[upstream] ?? {
    targets: [],
  };
  const { scheme, kubernetes } = targets as { scheme?: string; kubernetes?: { mode: string } };
  return {
    ...rest,
    ...policies,
    ...(scheme === 'https' && { scheme }),
    ...(kubernetes?.mode === 'service' && { mode: 'service' }),
    ...(timeouts?.response !== '60s' && { timeouts }),
    ...(timeouts?.connect !== undefined && { timeouts }),
  };
}

describe('annotations', () => {
  it.each<[Readonly<Record<string, string>>, unknown]>([
    [{}, {}],
    [{ 'proxy-body-size': '8m' }, { guards: { bodyBytes: 8 * 2 ** 20 } }],
    [{ 'proxy-body-size': '0' }, {}],
    [{ 'proxy-connect-timeout': '7' }, { timeouts: { connect: '7s', response: '60s' } }],
    [{ 'proxy-read-timeout': '120s' }, { timeouts: { response: '120s', idle: '120s' } }],
    [{ 'backend-protocol': 'HTTPS' }, { scheme: 'https', tls: { verify: false } }],
    [{ 'backend-protocol': 'grpc' }, { protocol: 'h2c' }],
    [{ 'backend-protocol': 'GRPCS' }, { scheme: 'https', protocol: 'h2', tls: { verify: false } }],
    [{ 'service-upstream': 'true' }, { mode: 'service' }],
    [
      { 'whitelist-source-range': '10.0.0.0/8, 192.168.0.1' },
      { ipFilter: { allow: ['10.0.0.0/8', '192.168.0.1'] } },
    ],
    [{ 'allowlist-source-range': '10.0.0.0/8' }, { ipFilter: { allow: ['10.0.0.0/8'] } }],
    [{ 'denylist-source-range': '2001:db8::/32' }, { ipFilter: { deny: ['2001:db8::/32'] } }],
    [
      { 'limit-rps': '10' },
      {
        rateLimit: [
          { limit: 10, window: '1s', algorithm: 'tokenBucket', burst: 50, key: 'clientIp' },
        ],
      },
    ],
    [
      { 'limit-rpm': '10', 'limit-burst-multiplier': '2' },
      {
        rateLimit: [
          { limit: 10, window: '1m', algorithm: 'tokenBucket', burst: 20, key: 'clientIp' },
        ],
      },
    ],
    [{ 'limit-connections': '3' }, { rateLimit: [{ maxInFlight: 3, key: 'clientIp' }] }],
    [
      { affinity: 'cookie' },
      { loadBalancing: { policy: 'roundRobin', stickyCookie: { name: 'INGRESSCOOKIE' } } },
    ],
    [
      { affinity: 'cookie', 'session-cookie-name': 'sid', 'session-cookie-max-age': '60' },
      { loadBalancing: { policy: 'roundRobin', stickyCookie: { name: 'sid', maxAge: '60s' } } },
    ],
    [{ 'load-balance': 'ewma' }, { loadBalancing: { policy: 'leastRequest' } }],
    [
      { 'upstream-hash-by': '$http_x_user' },
      { loadBalancing: { policy: 'consistentHash', hashOn: 'header:x-user' } },
    ],
    [
      { 'upstream-hash-by': '$binary_remote_addr' },
      { loadBalancing: { policy: 'consistentHash', hashOn: 'clientIp' } },
    ],
    [{ 'custom-http-errors': '502,503' }, { upstreamErrors: [502, 503] }],
    [
      { 'x-forwarded-prefix': '/shop' },
      { rewrite: { headers: { set: { 'x-forwarded-prefix': '/shop' } } } },
    ],
    [
      { 'permanent-redirect': 'https://new.example/a' },
      { redirect: { to: 'https://new.example/a', status: 301, keepQuery: false } },
    ],
    [
      { 'temporal-redirect': 'https://new.example' },
      { redirect: { to: 'https://new.example', status: 302, keepQuery: false } },
    ],
    [
      { 'permanent-redirect': '/new', 'permanent-redirect-code': '308' },
      { redirect: { to: '/new', status: 308, keepQuery: false } },
    ],
    [{ 'ssl-redirect': 'true' }, {}],
    [{ 'enable-cors': 'false', 'cors-allow-origin': 'https://a.example' }, {}],
  ])('%j', (annotations, expected) => {
    expect(changed(annotations)).toEqual(expected);
  });

  it('open a route for pages of other origins', () => {
    const origins = 'https://a.example, https://*.b.example';
    expect(changed({ 'enable-cors': 'true', 'cors-allow-origin': origins })).toMatchObject({
      cors: {
        origins: ['https://a.example', 'https://*.b.example'],
        credentials: true,
        maxAge: '86400s',
      },
    });
    expect(
      changed({
        'enable-cors': 'true',
        'cors-allow-methods': 'GET, put',
        'cors-allow-headers': 'x-a',
        'cors-expose-headers': 'x-b',
        'cors-max-age': '60',
      }),
    ).toEqual({
      cors: {
        ...{ origins: ['*'], methods: ['GET', 'PUT'], headers: ['x-a'], exposeHeaders: ['x-b'] },
        ...{ credentials: false, maxAge: '60s' },
      },
    });
  });

  it.each<[Readonly<Record<string, string>>, string]>([
    [{ 'proxy-body-size': '8 apples' }, 'proxy-body-size: "8 apples" makes no sense'],
    [{ 'limit-rps': '-1' }, 'limit-rps'],
    [{ 'ssl-redirect': 'maybe' }, 'ssl-redirect'],
    [{ 'backend-protocol': 'FCGI' }, 'FCGI is not supported'],
    [{ 'load-balance': 'sticky' }, 'load-balance'],
    [{ 'upstream-hash-by': '$host' }, 'upstream-hash-by'],
    [{ affinity: 'ip' }, 'affinity'],
    [{ 'auth-type': 'digest', 'auth-secret': 'users' }, 'auth-type'],
    [{ 'auth-type': 'basic' }, 'needs auth-secret'],
    [{ 'auth-type': 'basic', 'auth-secret': 'other/users' }, 'other namespaces'],
    [{ 'auth-type': 'basic', 'auth-secret': 'users' }, 'is not there'],
    [{ 'auth-url': 'https://$host/auth' }, 'auth-url'],
    [{ 'auth-url': 'http://auth.example/a', 'auth-method': 'POST' }, 'only GET'],
    [{ 'whitelist-source-range': 'everybody' }, 'ipFilter'],
    [{ 'whitelist-source-range': '' }, 'whitelist-source-range'],
    [{ 'denylist-source-range': ' , ' }, 'denylist-source-range'],
    [{ 'permanent-redirect': 'https://$host/' }, 'permanent-redirect'],
    [{ 'permanent-redirect': '//elsewhere.example' }, 'redirect'],
    [{ 'custom-http-errors': '200' }, 'custom-http-errors'],
    [{ 'x-forwarded-prefix': '${headers.cookie}' }, 'x-forwarded-prefix'],
    [{ 'never-heard-of': 'x' }, 'never-heard-of is not known'],
  ])('%j are refused', (annotations, reason) => {
    expect(changed(annotations)).toContain(reason);
  });

  it.each([...REFUSED_ANNOTATIONS.keys()])('%s is refused by name', (name) => {
    expect(changed({ [name]: 'x' })).toContain(`${name} is not supported`);
  });

  it.each([...HARMLESS_ANNOTATIONS.keys()])('%s changes nothing, and that is told', (name) => {
    const served = serve([ingress([rule('')], { annotations: { [name]: 'on' } })]);
    expect(served.objects).toMatchObject([
      { state: 'used', notes: [expect.stringContaining(`${name} changes nothing`)] },
    ]);
  });

  it('of other programs are not looked at', () => {
    const others = { 'cert-manager.io/issuer': 'x', 'kubernetes.io/tls-acme': 'true' };
    expect(serve([ingress([rule('')], { others })]).objects).toMatchObject([{ notes: [] }]);
  });

  it('never put variables into a configuration', () => {
    const annotations = { 'rewrite-target': '/${ADMIN_TOKEN}' };
    expect(changed(annotations)).toContain('rewrite-target');
  });
});

describe('authentication', () => {
  const HASH =
    '$scrypt$ln=15,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g';
  const annotations = { 'auth-type': 'basic', 'auth-secret': 'users' };

  it('asks a service', () => {
    const wish = { 'auth-url': 'http://auth.shop/check', 'auth-response-headers': 'x-user' };
    const served = serve([ingress([rule('')], { annotations: wish })]);
    expect(Object.values(served.authenticators)).toEqual([
      {
        ...{ type: 'forwardAuth', url: 'http://auth.shop/check', allowHttp: true },
        responseHeaders: ['x-user'],
      },
    ]);
    expect(served.routes[0]?.authenticate).toEqual(Object.keys(served.authenticators));
  });

  it('takes users of a secret', () => {
    const secrets = [{ namespace: 'shop', name: 'users', auth: `# all\nann:${HASH}\n` }];
    const served = serve([ingress([rule('')], { annotations })], { secrets });
    expect(Object.values(served.authenticators)).toEqual([
      { type: 'basic', users: [{ id: 'ann', passwordHash: HASH }] },
    ]);
  });

  it('takes no passwords that are hashed otherwise, and repeats nothing of them', () => {
    const secrets = [{ namespace: 'shop', name: 'users', auth: 'ann:$apr1$secret$secret' }];
    const reason = refusal(serve([ingress([rule('')], { annotations })], { secrets }));
    expect(reason).toContain('sluice hash-password');
    expect(reason).not.toContain('secret$');
    expect(reason).not.toContain('ann');
  });
});

describe('TLS', () => {
  const file = {
    listen: [
      { name: 'plain', port: 0 },
      { name: 'secure', host: '127.0.0.2', port: 0, tls: {} },
    ],
  };
  const spec = { tls: [{ hosts: ['a.example'], secretName: 'cert' }] };

  it('names the certificates that are wanted', () => {
    const served = serve([ingress([rule('a.example')], { spec })], { file });
    expect(served.certificates).toEqual([
      { namespace: 'shop', secret: 'cert', hosts: ['a.example'] },
    ]);
  });

  it('sends clients without it to https', () => {
    const served = serve([ingress([rule('a.example')], { spec })], { file });
    const match = { path: '/*', hosts: ['a.example'] };
    const location = 'https://a.example${request.path}${request.query}';
    expect(shown(served)).toEqual([
      { match: { ...match, listener: ['secure'] }, ...TO_WEB },
      { match: { ...match, listener: ['plain'] }, respond: { status: 308, headers: { location } } },
    ]);
  });

  it.each<[string, Readonly<Record<string, string>>, KubeJson, number]>([
    ['not where that is not wanted', { 'ssl-redirect': 'false' }, spec, 1],
    ['not for hosts without a certificate', {}, { tls: [{ hosts: ['b.example'] }] }, 1],
    ['where it is forced', { 'force-ssl-redirect': 'true' }, {}, 2],
    ['for hosts below a star', {}, { tls: [{ hosts: ['*.example'] }] }, 2],
  ])('sends them there %s', (_what, annotations, more, routes) => {
    const object = ingress([rule('a.example')], { annotations, spec: more });
    expect(serve([object], { file }).routes).toHaveLength(routes);
  });

  it('is told where no listener has any', () => {
    const served = serve([ingress([rule('a.example')], { spec })]);
    expect(served.objects[0]?.notes).toEqual(['no listener has TLS: nobody is sent to https']);
    expect(served.routes).toHaveLength(1);
  });
});

describe('canaries', () => {
  const main = ingress([rule('a.example')], { annotations: { 'limit-rps': '5' } });
  const canary = (annotations: Readonly<Record<string, string>>) =>
    ingress([rule('a.example', '/', 'Prefix', 'next')], {
      ...{ name: 'next', created: '2025-01-01T00:00:00Z' },
      annotations: { canary: 'true', ...annotations },
    });
  const sides = (annotations: Readonly<Record<string, string>>) =>
    serve([main, canary(annotations)]).routes.map(({ match, upstream, upstreams }) => [
      match.headers ?? match.cookies ?? null,
      upstream?.split('-')[2] ??
        upstreams?.map(({ name, weight }) => `${name.split('-')[2]} ${weight}`),
    ]);

  it('take a part of the requests', () => {
    expect(sides({ 'canary-weight': '20' })).toEqual([[null, ['web 80', 'next 20']]]);
  });

  it('are chosen by a field, a value, an expression or a cookie', () => {
    expect(sides({ 'canary-by-header': 'x-next' })).toEqual([
      [null, 'web'],
      [{ 'x-next': 'always' }, 'next'],
      [{ 'x-next': 'never' }, 'web'],
    ]);
    expect(sides({ 'canary-by-header': 'x-next', 'canary-by-header-value': 'me' })).toEqual([
      [null, 'web'],
      [{ 'x-next': 'me' }, 'next'],
    ]);
    expect(sides({ 'canary-by-header': 'x-next', 'canary-by-header-pattern': 'm.*' })).toEqual([
      [null, 'web'],
      [{ 'x-next': { pattern: 'm.*' } }, 'next'],
    ]);
    expect(sides({ 'canary-by-cookie': 'next', 'canary-weight': '5' })).toEqual([
      [null, ['web 95', 'next 5']],
      [{ next: 'always' }, 'next'],
      [{ next: 'never' }, 'web'],
    ]);
  });

  it('keep what the first object asks for', () => {
    const { routes } = serve([main, canary({ 'canary-by-header': 'x-next' })]);
    expect(routes.map(({ rateLimit }) => rateLimit !== undefined)).toEqual([true, true, true]);
  });

  it('are refused without an object to belong to', () => {
    const served = serve([canary({ 'canary-weight': '20' })]);
    expect(refusal(served)).toContain('no other Ingress has this path');
  });

  it('of another namespace get nothing', () => {
    const stranger = ingress([rule('a.example', '/', 'Prefix', 'theirs')], {
      ...{ name: 'next', namespace: 'other' },
      annotations: { canary: 'true', 'canary-weight': '100' },
    });
    const served = serve([main, stranger]);
    expect(served.objects).toMatchObject([
      { namespace: 'other', state: 'refused' },
      { namespace: 'shop', state: 'used' },
    ]);
    expect(shown(served)).toMatchObject([TO_WEB]);
  });

  it('that are wrong leave the first object as it is', () => {
    const wrong = canary({ 'canary-by-header': 'x-next', 'canary-by-header-pattern': '(' });
    const served = serve([main, wrong]);
    expect(served.objects.map(({ name, state }) => `${name} ${state}`).sort()).toEqual([
      'next refused',
      'web used',
    ]);
    expect(served.routes).toHaveLength(1);
  });
});

describe('the example', () => {
  it('has the rights that the gateway uses', () => {
    const text = readFileSync('examples/kubernetes/rbac.yaml', 'utf8');
    const [, role] = text.split('---').map((part) => parse(part) as KubeJson);
    const rules = listAt(role ?? {}, 'rules').flatMap((one) =>
      textsAt(one, 'resources').map(
        (resource) => `${resource}: ${textsAt(one, 'verbs').join(' ')}`,
      ),
    );
    expect(rules.sort()).toEqual([
      'endpointslices: list watch',
      'events: create',
      'gatewayclasses/status: patch',
      'gatewayclasses: list watch',
      'gateways/status: patch',
      'gateways: list watch',
      'httproutes/status: patch',
      'httproutes: list watch',
      'ingressclasses: list watch',
      'ingresses/status: patch',
      'ingresses: list watch',
      'namespaces: list watch',
      'referencegrants: list watch',
      'secrets: list watch',
      'services: get list watch',
    ]);
  });

  it('is a sound configuration, and its class is the default one', () => {
    const environment = { ADMIN_TOKEN: 'a-token-that-is-long-enough' };
    const { ingress: report } = loadClusterFile('examples/kubernetes/sluice.yaml', environment, {
      ...{ ingresses: [{ object: ingress([rule('a.example')]), before: null }], secrets: [] },
      classes: [parse(readFileSync('examples/kubernetes/ingress-class.yaml', 'utf8')) as KubeJson],
    });
    expect(report?.objects).toMatchObject([{ state: 'used' }]);
  });
});

describe('one object', () => {
  const good = ingress([rule('a.example')]);
  const bad = ingress([rule('b.example')], {
    name: 'bad',
    annotations: { 'configuration-snippet': 'return 200;' },
  });

  it('that is refused leaves the others', () => {
    const served = serve([bad, good]);
    expect(served.objects.map(({ name, state }) => `${name} ${state}`)).toEqual([
      'bad refused',
      'web used',
    ]);
    expect(served.routes).toHaveLength(1);
  });

  it('whose mistake only the check of the whole finds leaves the others', () => {
    const annotations = { 'denylist-source-range': '300.0.0.0/8' };
    const served = serve([ingress([rule('b.example')], { name: 'bad', annotations }), good]);
    expect(served.objects.map(({ name, state }) => `${name} ${state}`)).toEqual([
      'bad refused',
      'web used',
    ]);
    expect(refusal(served)).toContain('300.0.0.0/8');
  });

  it('keeps the version that was used before', () => {
    for (const object of [
      // Each is refused at another place.
      ingress([rule('a.example', 'x')]),
      ingress([rule('a.example')], { annotations: { 'server-snippet': 'x' } }),
      ingress([rule('a.example')], { annotations: { 'denylist-source-range': '300.0.0.0/8' } }),
    ]) {
      const served = serve([], { ingresses: [{ object, before: good }] });
      expect(served.objects).toMatchObject([{ state: 'before', routes: 1 }]);
      expect(served.routes).toHaveLength(1);
    }
  });

  it('has a host and path before all younger ones', () => {
    const younger = ingress([rule('a.example'), rule('b.example')], {
      ...{ name: 'a', created: '2026-02-01T00:00:00Z' },
    });
    const served = serve([younger, good]);
    expect(served.objects).toMatchObject([
      { name: 'web', notes: [] },
      { name: 'a', state: 'used', routes: 1, notes: [expect.stringContaining('shop/web')] },
    ]);
    const youngest = ingress([rule('a.example')], { name: 'z', created: '2026-03-01T00:00:00Z' });
    expect(serve([youngest, good]).objects[1]).toMatchObject({ state: 'refused' });
  });

  it('never stands above a route of the file', () => {
    const route = { name: 'own', match: { path: '/*', hosts: ['a.example'] }, upstream: 'own' };
    const file = {
      upstreams: { own: { targets: [{ url: 'http://127.0.0.1:1' }] } },
      routes: [{ ...route, match: { ...route.match, methods: ['*'] } }],
    };
    const served = serve([good, ingress([rule('b.example')], { name: 'b' })], { file });
    expect(served.objects).toMatchObject([{ name: 'b', state: 'used' }, { state: 'refused' }]);
    expect(served.routes.map(({ name }) => name)).toEqual([
      'own',
      expect.stringContaining('shop.b'),
    ]);
  });

  it('finds no room where others have it all', () => {
    const two = ingress([rule('b.example', '/', 'Prefix', 'b')], {
      ...{ name: 'two', created: '2026-02-01T00:00:00Z' },
    });
    const file = { kubernetes: { ingress: { maxServices: 1 } } };
    const served = serve([two, good], { file });
    expect(served.objects).toMatchObject([
      { name: 'web', state: 'used' },
      { name: 'two', state: 'refused', reasons: [expect.stringContaining('maxServices')] },
    ]);
  });

  it('shares upstreams with others that want the same', () => {
    const other = ingress([rule('b.example')], { name: 'b' });
    expect(Object.keys(serve([good, other]).upstreams)).toHaveLength(1);
  });

  it('is not needed', () => {
    expect(serve([]).routes).toHaveLength(1);
  });

  it('of any form makes nothing fail', () => {
    const odd: KubeJson[] = [
      {},
      { metadata: { name: 'a' }, spec: { ingressClassName: 'sluice' } },
      { metadata: { name: 'b' }, spec: { ingressClassName: 'sluice', rules: 'x', tls: 7 } },
      { metadata: { name: 'c' }, spec: { ingressClassName: 'sluice', rules: [null, { http: 1 }] } },
      { metadata: { name: 'd' }, spec: { ingressClassName: 'sluice', defaultBackend: [] } },
      ingress([rule('e.example')], { name: '__proto__', others: { [PREFIX]: 'x' } }),
    ];
    const served = serve([...odd, good]);
    expect(served.objects.filter(({ state }) => state === 'used')).toHaveLength(1);
  });
});
