/**
 * HTTPRoutes as routes: which requests come to which service, asked of the route table that the
 * workers have; and what is said of each object. The cases are those that the Gateway API requires
 * of everybody who serves it.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GatewayConfig, RouteConfig } from '../../../../src/config/gateway-config.js';
import {
  type KubeJson,
  listAt,
  recordAt,
  textAt,
} from '../../../../src/config/kubernetes/kube-json.js';
import type { GatewayObjects, ObjectStatus } from '../../../../src/config/kubernetes-settings.js';
import { checkWithCluster } from '../../../../src/config/source/cluster-routes.js';
import {
  backend,
  gateway,
  gatewayObjects,
  grant,
  httpListener,
  httpRoute,
  INFRA,
  pathMatch,
} from '../../../support/gateway-objects.js';
import { findRoute } from '../../../support/route-finder.js';

interface Served {
  readonly config: GatewayConfig;
  readonly statuses: readonly ObjectStatus[];
}

const LISTEN = [
  { name: 'plain', port: 80 },
  { name: 'secure', port: 443, tls: {} },
  { name: 'high', port: 8080 },
];

function serve(
  parts: Partial<GatewayObjects>,
  file: Readonly<Record<string, unknown>> = {},
): Served {
  const value = { listen: LISTEN, kubernetes: { gatewayApi: {} }, ...file };
  const objects = { ingresses: [], classes: [], secrets: [], gateway: gatewayObjects(parts) };
  const { result, ingress } = checkWithCluster(value, objects, { variableAt: () => undefined });
  if (!result.isValid) throw new Error(JSON.stringify(result.findings));
  return { config: result.config, statuses: ingress?.statuses ?? [] };
}

/** `True Reason` of a condition of the first parent of an HTTPRoute. */
function said({ statuses }: Served, type: string, name = 'route'): string {
  const status =
    statuses.find((one) => one.kind === 'httproutes' && one.name === name)?.status ?? {};
  const [parent = {}] = listAt(status, 'parents');
  return conditionIn(parent, type);
}

function conditionIn(part: KubeJson, type: string): string {
  const found = listAt(part, 'conditions').find((one) => one['type'] === type);
  return found === undefined ? 'nothing' : `${textAt(found, 'status')} ${textAt(found, 'reason')}`;
}

/** Of a listener of the Gateway. */
function listenerSaid(served: Served, name: string, type: string): string {
  const listener = listenerStatus(served, name);
  return conditionIn(listener, type);
}

function listenerStatus({ statuses }: Served, name: string): KubeJson {
  const status = statuses.find(({ kind }) => kind === 'gateways')?.status ?? {};
  return listAt(status, 'listeners').find((one) => one['name'] === name) ?? {};
}

function gatewaySaid({ statuses }: Served, type: string): string {
  return conditionIn(statuses.find(({ kind }) => kind === 'gateways')?.status ?? {}, type);
}

/** Name of the service that gets a request, or the status that it gets. */
function goesTo(served: Served, request: string): string {
  const route = findRoute(served.config, request);
  if (route === null) return '404';
  return answerOf(route);
}

function answerOf({ upstream, upstreams, respond }: RouteConfig): string {
  if (respond !== undefined) return `${respond.status}`;
  const named = (name: string): string => /^k8s-\w+-(\w+)-/.exec(name)?.[1] ?? name;
  if (upstreams === undefined) return named(upstream ?? '');
  return upstreams.map(({ name, weight }) => `${named(name)} ${weight}`).join(', ');
}

const to = (name: string, matches: readonly KubeJson[] = [], parts: KubeJson = {}): KubeJson => ({
  ...(matches.length > 0 && { matches }),
  backendRefs: [backend(name)],
  ...parts,
});

const header = (name: string, value: string): KubeJson => ({ headers: [{ name, value }] });
const query = (...pairs: readonly string[]): KubeJson => ({
  queryParams: pairs.map((pair) => {
    const [name = '', value = ''] = pair.split('=');
    return { name, value };
  }),
});

describe('more matches of one place than there are priorities', () => {
  const crowd = (name: string, hostnames: readonly string[] = []): KubeJson => {
    const rules = [...Array(16).keys()].map((nth) => {
      const values = [...Array(64).keys()].map((value) => `${nth}.${value}`);
      return to(
        'v2',
        values.map((value) => ({ method: 'GET', ...header('x', value) })),
      );
    });
    return httpRoute(rules, { name, spec: { hostnames } });
  };
  const older = { created: '2025-01-01T00:00:00Z' };

  it('are refused, and change nothing for the others', () => {
    const first = httpRoute([to('v1')], { ...older, name: 'first' });
    const second = httpRoute([to('v3', [header('a', '1')])], { ...older, name: 'second' });
    const elsewhere = httpRoute([to('v3')], { name: 'young', spec: { hostnames: ['a.test'] } });
    const routes = [first, second, crowd('crowd'), crowd('other', ['a.test', 'b.test']), elsewhere];
    const served = serve({ routes });
    expect(goesTo(served, 'GET /')).toBe('v1');
    expect(goesTo(served, 'GET / a: 1')).toBe('v3');
    expect(goesTo(served, 'GET a.test/ x: 0.0')).toBe('v3');
    expect(said(served, 'Accepted', 'crowd')).toBe('False NoRoom');
    expect(said(served, 'Accepted', 'other')).toBe('False NoRoom');
    for (const name of ['first', 'second', 'young']) {
      expect(said(served, 'Accepted', name)).toBe('True Accepted');
    }
  });

  it('are refused where a route of several hosts stands between them', () => {
    const half = (name: string, host: string): KubeJson => {
      const rules = listAt(recordAt(crowd(name), 'spec'), 'rules').slice(0, 10);
      return httpRoute(rules, { name, spec: { hostnames: [host] } });
    };
    const both = httpRoute([to('v1')], { name: 'z', spec: { hostnames: ['a.test', 'b.test'] } });
    const served = serve({ routes: [half('a', 'a.test'), half('b', 'b.test'), both] });
    expect(said(served, 'Accepted', 'z')).toBe('False NoRoom');
    expect(goesTo(served, 'GET a.test/ x: 0.0')).toBe('v2');
    expect(goesTo(served, 'GET b.test/ x: 0.0')).toBe('v2');
  });
});

describe('matches', () => {
  it.each(['headers', 'queryParams'])('keep conditions of any name in %s', (kind) => {
    const matches = [{ [kind]: [{ name: '__proto__', value: 'a' }] }];
    const served = serve({ routes: [httpRoute([to('v1', matches)])] });
    expect(goesTo(served, 'GET /')).toBe('404');
    const fitting = kind === 'headers' ? 'GET / __proto__: a' : 'GET /?__proto__=a';
    expect(goesTo(served, fitting)).toBe('v1');
  });

  it.each<[string, readonly KubeJson[], readonly (readonly [request: string, service: string])[]]>([
    [
      'without conditions',
      [to('v1')],
      [
        ['GET /', 'v1'],
        ['POST /any/path?a=b', 'v1'],
        ['PROPFIND /x', 'v1'],
      ],
    ],
    [
      'of paths that are exact',
      [to('v1', [pathMatch('/one', 'Exact')]), to('v2', [pathMatch('/two', 'Exact')])],
      [
        ['GET /one', 'v1'],
        ['GET /two', 'v2'],
        ['GET /', '404'],
        ['GET /one/example', '404'],
        ['GET /two/', '404'],
        ['GET /Two', '404'],
      ],
    ],
    [
      'of one rule are alternatives',
      [
        to('v1', [pathMatch('/'), header('version', 'one')]),
        to('v2', [pathMatch('/v2'), header('version', 'two')]),
      ],
      [
        ['GET /', 'v1'],
        ['GET /example', 'v1'],
        ['GET / version: one', 'v1'],
        ['GET /v2', 'v2'],
        ['GET /v2/', 'v2'],
        ['GET /v2/example', 'v2'],
        ['GET /v2example', 'v1'],
        ['GET / version: two', 'v2'],
        ['GET /foo/v2/example', 'v1'],
      ],
    ],
    [
      'of paths go by their length',
      [
        to('v1', [pathMatch('/match', 'Exact')]),
        to('v2', [pathMatch('/match/exact', 'Exact')]),
        to('v3', [pathMatch('/match/exact/one', 'Exact')]),
        to('v3', [pathMatch('/match/')]),
        to('v1', [pathMatch('/match/prefix/')]),
        to('v2', [pathMatch('/match/prefix/one')]),
      ],
      [
        ['GET /match/exact/one', 'v3'],
        ['GET /match/exact', 'v2'],
        ['GET /match', 'v1'],
        ['GET /match/prefix/one/any', 'v2'],
        ['GET /match/prefix/any', 'v1'],
        ['GET /match/any', 'v3'],
        ['GET /match/', 'v3'],
        ['GET /matching', '404'],
      ],
    ],
    [
      'of header fields',
      [
        to('v1', [header('version', 'one')]),
        to('v2', [header('Version', 'two')]),
        to('v1', [
          {
            headers: [
              { name: 'version', value: 'two' },
              { name: 'color', value: 'orange' },
            ],
          },
        ]),
        to('v1', [header('color', 'blue'), header('color', 'green')]),
        to('v3', [
          {
            headers: [
              { name: 'shape', value: 'round' },
              { name: 'Shape', value: 'square' },
            ],
          },
        ]),
      ],
      [
        ['GET / version: one', 'v1'],
        ['GET / VERSION: two', 'v2'],
        ['GET / version: two color: orange', 'v1'],
        ['GET / color: blue', 'v1'],
        ['GET / color: green', 'v1'],
        ['GET / shape: round', 'v3'],
        ['GET / shape: square', '404'],
        ['GET / color: purple', '404'],
        ['GET /', '404'],
      ],
    ],
    [
      'of query parameters',
      [
        to('v1', [query('animal=whale')]),
        to('v2', [query('animal=dolphin')]),
        to('v3', [query('animal=dolphin', 'color=blue'), query('ANIMAL=Whale')]),
        to('v1', [{ ...pathMatch('/path5') }]),
        to('v2', [query('animal=hydra')]),
        to('v3', [header('version', 'four')]),
      ],
      [
        ['GET /?animal=whale', 'v1'],
        ['GET /?animal=dolphin', 'v2'],
        ['GET /?animal=whale&otherparam=irrelevant', 'v1'],
        ['GET /?animal=dolphin&color=blue', 'v3'],
        ['GET /?ANIMAL=Whale', 'v3'],
        ['GET /?animal=Whale', '404'],
        ['GET /?color=blue', '404'],
        ['GET /path5?animal=hydra', 'v1'],
        ['GET /?animal=hydra version: four', 'v3'],
      ],
    ],
    [
      'of methods',
      [
        to('v1', [{ method: 'POST' }]),
        to('v2', [{ method: 'GET' }]),
        to('v1', [{ ...pathMatch('/path1'), method: 'GET' }]),
        to('v2', [{ ...header('version', 'one'), method: 'PUT' }]),
        to('v3', [{ ...pathMatch('/path2'), ...header('version', 'two'), method: 'POST' }]),
        to('v1', [{ ...pathMatch('/path5') }]),
        to('v2', [{ method: 'PATCH' }]),
        to('v3', [header('version', 'four')]),
      ],
      [
        ['POST /', 'v1'],
        ['GET /', 'v2'],
        ['HEAD /', 'v2'],
        ['GET /path1', 'v1'],
        ['PUT / version: one', 'v2'],
        ['POST /path2 version: two', 'v3'],
        ['PUT /', '404'],
        ['DELETE / version: one', '404'],
        ['PATCH /path5', 'v1'],
        ['PATCH / version: four', 'v2'],
      ],
    ],
    [
      'by expressions',
      [
        to('v1', [{ path: { type: 'RegularExpression', value: '/v[0-9]+/.*' } }]),
        to('v2', [{ headers: [{ name: 'a', type: 'RegularExpression', value: 'b+' }] }]),
      ],
      [
        ['GET /v12/x', 'v1'],
        ['GET /vx/x', '404'],
        ['GET /vx/x a: bbb', 'v2'],
      ],
    ],
  ])('%s', (_what, rules, cases) => {
    const served = serve({ routes: [httpRoute(rules)] });
    expect(said(served, 'Accepted')).toBe('True Accepted');
    expect(cases.map(([request]) => [request, goesTo(served, request)])).toEqual(cases);
  });

  it('of several HTTPRoutes: the older one goes before, and then the one that is named first', () => {
    const rules = (name: string) => [to(name, [pathMatch('/a')])];
    const served = serve({
      routes: [
        httpRoute(rules('v1'), { name: 'b', created: '2026-02-01T00:00:00Z' }),
        httpRoute(rules('v2'), { name: 'c', created: '2026-01-01T00:00:00Z' }),
        httpRoute(rules('v3'), { name: 'd', created: '2026-01-01T00:00:00Z' }),
      ],
    });
    expect(goesTo(served, 'GET /a')).toBe('v2');
    expect(['b', 'c', 'd'].map((name) => said(served, 'Accepted', name))).toEqual(
      Array.from({ length: 3 }, () => 'True Accepted'),
    );
  });

  it('across HTTPRoutes: more header fields go before the older object', () => {
    const hosts = { hostnames: ['example.com', 'example.net'] };
    const served = serve({
      routes: [
        httpRoute([to('v1', [pathMatch('/'), header('version', 'one')])], {
          name: 'part1',
          spec: hosts,
        }),
        httpRoute([to('v2', [pathMatch('/v2'), header('version', 'two')])], {
          name: 'part2',
          created: '2026-03-01T00:00:00Z',
          spec: { hostnames: ['example.com'] },
        }),
      ],
    });
    const cases = [
      ['GET example.com/', 'v1'],
      ['GET example.com/example', 'v1'],
      ['GET example.net/example', 'v1'],
      ['GET example.com/example version: one', 'v1'],
      ['GET example.com/v2', 'v2'],
      ['GET example.com/v2example', 'v1'],
      ['GET example.net/v2', 'v1'],
      ['GET example.com/ version: two', 'v2'],
      ['GET example.net/ version: two', 'v1'],
    ];
    expect(cases.map(([request = '']) => [request, goesTo(served, request)])).toEqual(cases);
  });

  it('a route of the file goes before all of them', () => {
    const file = {
      routes: [{ name: 'own', match: { path: '/*' }, respond: { status: 204 } }],
    };
    const served = serve({ routes: [httpRoute([to('v1', [header('a', 'b')])])] }, file);
    expect(goesTo(served, 'GET / a: b')).toBe('204');
    expect(said(served, 'Accepted')).toBe('True Accepted');
  });
});

describe('hosts', () => {
  const listener = (name: string, hostname?: string): KubeJson =>
    httpListener({ name, ...(hostname !== undefined && { hostname }) });

  it('are those that listener and route have in common', () => {
    const listeners = [
      listener('one', 'very.specific.com'),
      listener('two', '*.wildcard.io'),
      listener('three', '*.anotherwildcard.io'),
    ];
    const route = (name: string, path: string, hostnames: readonly string[]): KubeJson =>
      httpRoute([to('v1', [pathMatch(path)])], { name, spec: { hostnames } });
    const served = serve({
      gateways: [gateway(listeners)],
      routes: [
        route('s1', '/s1', ['non.matching.com', '*.nonmatchingwildcard.io', 'very.specific.com']),
        route('s2', '/s2', ['wildcard.io', 'foo.wildcard.io', 'foo.bar.wildcard.io']),
        route('s3', '/s3', ['non.matching.com', '*.specific.com']),
        route('s4', '/s4', ['*.anotherwildcard.io']),
        route('s5', '/s5', ['specific.but.wrong.com', 'wildcard.io']),
      ],
    });
    const cases = [
      ['GET very.specific.com/s1', 'v1'],
      ['GET very.specific.com:8080/s1', 'v1'],
      ['GET non.matching.com/s1', '404'],
      ['GET foo.nonmatchingwildcard.io/s1', '404'],
      ['GET foo.wildcard.io/s2', 'v1'],
      ['GET foo.bar.wildcard.io/s2', 'v1'],
      ['GET wildcard.io/s2', '404'],
      ['GET very.specific.com/s3', 'v1'],
      ['GET foo.specific.com/s3', '404'],
      ['GET one.anotherwildcard.io/s4', 'v1'],
      ['GET one.two.anotherwildcard.io/s4', 'v1'],
      ['GET anotherwildcard.io/s4', '404'],
      ['GET specific.but.wrong.com/s5', '404'],
    ];
    expect(cases.map(([request = '']) => [request, goesTo(served, request)])).toEqual(cases);
    expect(said(served, 'Accepted', 's5')).toBe('False NoMatchingListenerHostname');
    expect(said(served, 'ResolvedRefs', 's5')).toBe('True ResolvedRefs');
    expect(listenerStatus(served, 'one')['attachedRoutes']).toBe(2);
    expect(listenerStatus(served, 'three')['attachedRoutes']).toBe(1);
  });

  it('of listeners are for the routes that name them', () => {
    const listeners = [
      listener('one', 'bar.com'),
      listener('two', 'foo.bar.com'),
      listener('three', '*.bar.com'),
      listener('four', '*.foo.com'),
    ];
    const route = (name: string, ...sections: readonly string[]): KubeJson => {
      const parentRefs = sections.map((sectionName) => ({ name: 'gateway', sectionName }));
      return httpRoute([to(name)], { name, spec: { parentRefs } });
    };
    const served = serve({
      gateways: [gateway(listeners)],
      routes: [route('v1', 'one'), route('v2', 'two'), route('v3', 'three', 'four')],
    });
    const cases = [
      ['GET bar.com/', 'v1'],
      ['GET foo.bar.com/', 'v2'],
      ['GET baz.bar.com/', 'v3'],
      ['GET multiple.prefixes.foo.com/', 'v3'],
      ['GET foo.com/', '404'],
      ['GET no.matching.host/', '404'],
    ];
    expect(cases.map(([request = '']) => [request, goesTo(served, request)])).toEqual(cases);
  });

  it('are in ASCII, and in lower case', () => {
    const spec = { hostnames: ['Bücher.Example'] };
    const served = serve({ routes: [httpRoute([to('v1')], { spec })] });
    expect(goesTo(served, 'GET xn--bcher-kva.example/')).toBe('v1');
  });
});

describe('parents', () => {
  const at = (parts: KubeJson, spec: KubeJson = {}): KubeJson =>
    httpRoute([to('v1')], { spec: { parentRefs: [{ name: 'gateway', ...parts }], ...spec } });

  it.each<[string, KubeJson, string]>([
    ['by name', {}, 'True Accepted'],
    ['by listener', { sectionName: 'http' }, 'True Accepted'],
    ['by port', { port: 80 }, 'True Accepted'],
    ['by an unknown listener', { sectionName: 'other' }, 'False NoMatchingParent'],
    ['by another port', { port: 81 }, 'False NoMatchingParent'],
    [
      'by a listener with another port',
      { sectionName: 'http', port: 81 },
      'False NoMatchingParent',
    ],
    ['that are not there', { name: 'nobody' }, 'nothing'],
    ['of another kind', { kind: 'Service' }, 'nothing'],
    ['of another group', { group: 'example.com' }, 'nothing'],
    ['of another namespace', { namespace: 'other' }, 'nothing'],
  ])('%s', (_how, parts, expected) => {
    expect(said(serve({ routes: [at(parts)] }), 'Accepted')).toBe(expected);
  });

  it.each<[string, KubeJson, string]>([
    ['Same', { from: 'Same' }, 'False NotAllowedByListeners'],
    ['nothing', {}, 'False NotAllowedByListeners'],
    ['All', { from: 'All' }, 'True Accepted'],
    ['None', { from: 'None' }, 'False NotAllowedByListeners'],
    [
      'a selector that fits',
      { from: 'Selector', selector: { matchLabels: { team: 'a' } } },
      'True Accepted',
    ],
    ['an empty selector', { from: 'Selector', selector: {} }, 'True Accepted'],
    ['a selector that is not there', { from: 'Selector' }, 'False NotAllowedByListeners'],
    [
      'a selector that does not fit',
      {
        from: 'Selector',
        selector: { matchExpressions: [{ key: 'team', operator: 'DoesNotExist' }] },
      },
      'False NotAllowedByListeners',
    ],
    [
      'an operator nobody knows',
      { from: 'Selector', selector: { matchExpressions: [{ key: 'team', operator: 'Near' }] } },
      'False NotAllowedByListeners',
    ],
  ])('are open for other namespaces by %s', (_how, namespaces, expected) => {
    const served = serve({
      gateways: [gateway([httpListener({ allowedRoutes: { namespaces } })])],
      namespaces: [{ metadata: { name: 'other', labels: { team: 'a' } } }],
      routes: [httpRoute([to('web')], { namespace: 'other' })],
    });
    expect(said(served, 'Accepted')).toBe(expected);
    expect(goesTo(served, 'GET /')).toBe(expected.startsWith('True') ? 'web' : '404');
  });

  it('that take other kinds refuse the route', () => {
    const kinds = [{ kind: 'TLSRoute' }];
    const listeners = [httpListener({ allowedRoutes: { kinds } })];
    const served = serve({ gateways: [gateway(listeners)], routes: [httpRoute([to('v1')])] });
    expect(said(served, 'Accepted')).toBe('False NotAllowedByListeners');
    expect(said(served, 'ResolvedRefs')).toBe('True ResolvedRefs');
    expect(listenerSaid(served, 'http', 'ResolvedRefs')).toBe('False InvalidRouteKinds');
    expect(listenerStatus(served, 'http')).toMatchObject({ supportedKinds: [], attachedRoutes: 0 });
  });

  it('have the routes of their ports on these alone', () => {
    const listeners = [httpListener(), httpListener({ name: 'high', port: 8080 })];
    const served = serve({
      gateways: [gateway(listeners)],
      routes: [
        httpRoute([to('v1', [], { name: 'named' })], {
          name: 'low',
          spec: { parentRefs: [{ name: 'gateway', port: 80 }] },
        }),
        httpRoute([to('v2')], {
          name: 'high',
          spec: { parentRefs: [{ name: 'gateway', port: 8080 }] },
        }),
        httpRoute([to('v3', [pathMatch('/both')])], { name: 'both' }),
      ],
    });
    const found = ['GET /', 'GET /both'].flatMap((one) =>
      ['plain', 'high'].map((name) => findRoute(served.config, one, name)),
    );
    expect(found.map((one) => (one === null ? '404' : answerOf(one)))).toEqual([
      ...['v1', 'v2', 'v3', 'v3'],
    ]);
    expect(listenerStatus(served, 'high')['attachedRoutes']).toBe(2);
  });

  it('of another class are left to others', () => {
    const other = gateway([httpListener()], { spec: { gatewayClassName: 'nginx' } });
    const served = serve({ gateways: [other], routes: [httpRoute([to('v1')])] });
    expect(served.statuses.map(({ kind, status }) => [kind, status['parents']])).toEqual([
      ['gatewayclasses', undefined],
      ['httproutes', []],
    ]);
    expect(goesTo(served, 'GET /')).toBe('404');
  });
});

describe('backends', () => {
  const rule = (...backendRefs: readonly KubeJson[]): KubeJson => ({ backendRefs });
  const granted = grant('other', { kind: 'HTTPRoute', namespace: INFRA }, { kind: 'Service' });
  const web = backend('web', { namespace: 'other' });

  it.each<[string, readonly KubeJson[], readonly KubeJson[], string, string]>([
    ['that are there', [backend('v1')], [], 'v1', 'True ResolvedRefs'],
    ['that are not there', [backend('none')], [], '500', 'False BackendNotFound'],
    ['without such a port', [backend('v1', { port: 1 })], [], '500', 'False BackendNotFound'],
    ['of another kind', [backend('v1', { kind: 'Bucket' })], [], '500', 'False InvalidKind'],
    ['of another group', [backend('v1', { group: 'a.example' })], [], '500', 'False InvalidKind'],
    ['of another namespace', [web], [], '500', 'False RefNotPermitted'],
    ['that are granted', [web], [granted], 'web', 'True ResolvedRefs'],
    [
      'that are granted by name',
      [web],
      [grant('other', { kind: 'HTTPRoute', namespace: INFRA }, { kind: 'Service', name: 'web' })],
      'web',
      'True ResolvedRefs',
    ],
    [
      'where another name is granted',
      [web],
      [grant('other', { kind: 'HTTPRoute', namespace: INFRA }, { kind: 'Service', name: 'x' })],
      '500',
      'False RefNotPermitted',
    ],
    [
      'that are granted to others',
      [web],
      [grant('other', { kind: 'HTTPRoute', namespace: 'third' }, { kind: 'Service' })],
      '500',
      'False RefNotPermitted',
    ],
    [
      'that are granted to another kind',
      [web],
      [grant('other', { kind: 'GRPCRoute', namespace: INFRA }, { kind: 'Service' })],
      '500',
      'False RefNotPermitted',
    ],
    [
      'granted in another namespace',
      [web],
      [grant(INFRA, { kind: 'HTTPRoute', namespace: INFRA }, { kind: 'Service' })],
      '500',
      'False RefNotPermitted',
    ],
    ['that are none', [], [], '500', 'True ResolvedRefs'],
    [
      'by weight',
      [backend('v1', { weight: 70 }), backend('v2', { weight: 30 }), backend('v3', { weight: 0 })],
      [],
      'v1 70, v2 30',
      'True ResolvedRefs',
    ],
    ['without weight', [backend('v1', { weight: 0 })], [], '500', 'True ResolvedRefs'],
    [
      'of large weights',
      [backend('v1', { weight: 1_000_000 }), backend('v2', { weight: 250_000 })],
      [],
      'v1 1000, v2 250',
      'True ResolvedRefs',
    ],
    [
      'named twice',
      [backend('v1'), backend('v1'), backend('v2')],
      [],
      'v1 2, v2 1',
      'True ResolvedRefs',
    ],
  ])('%s', (_what, refs, grants, answer, resolved) => {
    const served = serve({ grants, routes: [httpRoute([rule(...refs)])] });
    expect(goesTo(served, 'GET /')).toBe(answer);
    expect(said(served, 'ResolvedRefs')).toBe(resolved);
    expect(said(served, 'Accepted')).toBe('True Accepted');
  });

  it('that are not there keep their part of the requests', () => {
    const refs = [backend('v1', { weight: 2000 }), backend('none', { weight: 4000 })];
    const { config } = serve({ routes: [httpRoute([rule(...refs)])] });
    expect(findRoute(config, 'GET /')).toMatchObject({
      upstreams: [{ weight: 500 }],
      split: { key: 'request', refuse: { weight: 1000 } },
    });
  });

  it.each([
    ['kubernetes.io/h2c', 'v1', 'h2c'],
    ['kubernetes.io/ws', 'v1', undefined],
    ['https', '500', undefined],
    ['constructor', '500', undefined],
  ])('of the protocol %s', (appProtocol, answer, protocol) => {
    const ports = [{ port: 8080, appProtocol }];
    const services = [{ metadata: { namespace: INFRA, name: 'v1' }, spec: { ports } }];
    const served = serve({ services, routes: [httpRoute([to('v1')])] });
    expect(goesTo(served, 'GET /')).toBe(answer);
    const [first] = Object.values(served.config.upstreams ?? {});
    expect(first?.protocol).toBe(protocol);
  });

  it('count as being there where services cannot be read', () => {
    const served = serve({ services: null, routes: [httpRoute([to('v9')])] });
    expect(goesTo(served, 'GET /')).toBe('v9');
  });
});

describe('filters', () => {
  /** The route that a rule with one filter becomes, at `path`. */
  function filtered(filter: KubeJson, path = '/a', parts: KubeJson = {}): RouteConfig | null {
    const rule = { ...to('v1', [pathMatch('/a')]), filters: [filter], ...parts };
    const served = serve({ routes: [httpRoute([rule])] });
    return findRoute(served.config, `GET ${path}`);
  }

  const redirect = (parts: KubeJson): KubeJson => ({
    ...{ type: 'RequestRedirect', requestRedirect: parts },
  });
  const location = (filter: KubeJson, path?: string): unknown => {
    const route = filtered(filter, path, { backendRefs: [] });
    return [route?.respond?.status, route?.respond?.headers?.['location']];
  };
  const PREFIX = { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/new' } };

  it.each(['Transfer-Encoding', 'content-length'])('do not frame a redirect by %s', (name) => {
    const fields = { set: [{ name, value: 'chunked' }] };
    const modifier = { type: 'ResponseHeaderModifier', responseHeaderModifier: fields };
    const bad = httpRoute([{ filters: [redirect({}), modifier] }]);
    const routes = [bad, httpRoute([to('v1')], { name: 'sound' })];
    const served = serve({ routes });
    expect(said(served, 'Accepted')).toBe('False UnsupportedValue');
    expect(goesTo(served, 'GET /')).toBe('v1');
  });

  it('with names that all objects have are like any other', () => {
    expect(filtered({ type: 'constructor' })?.respond?.status).toBe(500);
    const set = JSON.parse('[{"name":"__proto__","value":"a"}]');
    const modifier = { type: 'RequestHeaderModifier', requestHeaderModifier: { set } };
    expect(Object.entries(filtered(modifier)?.rewrite?.headers?.set ?? {})).toEqual([
      ['__proto__', 'a'],
    ]);
  });
  const ROOT = { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/' } };

  it('change fields of requests and of replies', () => {
    const changes = {
      set: [
        { name: 'X-Set', value: 'a' },
        { name: 'x-set', value: 'ignored' },
      ],
      add: [{ name: 'X-Add', value: 'b' }],
      remove: ['X-Old'],
    };
    const expected = { set: { 'x-set': 'a' }, add: { 'x-add': 'b' }, remove: ['x-old'] };
    const request = { type: 'RequestHeaderModifier', requestHeaderModifier: changes };
    const reply = { type: 'ResponseHeaderModifier', responseHeaderModifier: changes };
    expect(filtered(request)).toMatchObject({ rewrite: { headers: expected } });
    expect(filtered(reply)).toMatchObject({ rewriteReply: { headers: expected } });
  });

  it.each<[KubeJson, string, number, string]>([
    [{}, '/a', 302, 'http://${request.hostname}${request.path}${request.query}'],
    [{ hostname: 'example.org' }, '/a', 302, 'http://example.org${request.path}${request.query}'],
    [{ statusCode: 301 }, '/a', 301, 'http://${request.hostname}${request.path}${request.query}'],
    [{ scheme: 'https' }, '/a', 302, 'https://${request.hostname}${request.path}${request.query}'],
    [{ port: 8083 }, '/a', 302, 'http://${request.hostname}:8083${request.path}${request.query}'],
    [{ port: 80 }, '/a', 302, 'http://${request.hostname}${request.path}${request.query}'],
    [
      { scheme: 'https', port: 80 },
      '/a',
      302,
      'https://${request.hostname}:80${request.path}${request.query}',
    ],
    [PREFIX, '/a/lemon', 302, 'http://${request.hostname}/new/${params.*}${request.query}'],
    [PREFIX, '/a', 302, 'http://${request.hostname}/new${request.query}'],
    [ROOT, '/a', 302, 'http://${request.hostname}/${request.query}'],
    [ROOT, '/a/b', 302, 'http://${request.hostname}/${params.*}${request.query}'],
    [
      { path: { type: 'ReplaceFullPath', replaceFullPath: '/full' }, statusCode: 308 },
      '/a/b',
      308,
      'http://${request.hostname}/full${request.query}',
    ],
  ])('redirect by %j at %s', (parts, path, status, expected) => {
    expect(location(redirect(parts), path)).toEqual([status, expected]);
  });

  it('redirect to the scheme and port of the listener', () => {
    const rule = { filters: [redirect({ hostname: 'x.example' })] };
    const served = serve({
      gateways: [gateway([httpListener({ port: 8080 })])],
      routes: [httpRoute([rule])],
    });
    const route = findRoute(served.config, 'GET /', 'high');
    expect(route?.respond?.headers?.['location']).toContain('http://x.example:8080$');
  });

  it.each<[KubeJson, string, unknown]>([
    [PREFIX, '/a/b', { stripPrefix: '/a', addPrefix: '/new' }],
    [PREFIX, '/a', { path: '/new' }],
    [ROOT, '/a/b', { stripPrefix: '/a' }],
    [ROOT, '/a', { path: '/' }],
    [{ path: { type: 'ReplaceFullPath', replaceFullPath: '/one' } }, '/a/b', { path: '/one' }],
  ])('rewrite by %j at %s', (urlRewrite, path, rewrite) => {
    expect(filtered({ type: 'URLRewrite', urlRewrite }, path)).toMatchObject({ rewrite });
  });

  it('that replace a prefix leave the order of other rules as it is', () => {
    const rules = [
      to('v1', [pathMatch('/a')], { filters: [{ type: 'URLRewrite', urlRewrite: PREFIX }] }),
      to('v2', [{ ...pathMatch('/a'), ...header('x', 'y') }]),
    ];
    const served = serve({ routes: [httpRoute(rules)] });
    const cases = ['GET /a', 'GET /a/', 'GET /a x: y', 'GET /a/ x: y'];
    expect(cases.map((one) => goesTo(served, one))).toEqual(['v1', 'v1', 'v2', 'v2']);
  });

  it('copy requests', () => {
    const requestMirror = { backendRef: backend('v2'), fraction: { numerator: 1, denominator: 4 } };
    expect(filtered({ type: 'RequestMirror', requestMirror })).toMatchObject({
      mirror: { upstream: expect.stringContaining('-v2-'), percent: 25 },
    });
  });

  it('bound the time', () => {
    const rule = to('v1', [], { timeouts: { request: '1m30s', backendRequest: '500ms' } });
    const { config } = serve({ routes: [httpRoute([rule])] });
    expect(findRoute(config, 'GET /')?.timeout).toBe('90000ms');
    expect(Object.values(config.upstreams ?? {})[0]?.timeouts).toEqual({ response: '500ms' });
  });

  it.each<[string, KubeJson]>([
    ['of an unknown kind', { filters: [{ type: 'ExtensionRef', extensionRef: { name: 'auth' } }] }],
    ['of a newer kind', { filters: [{ type: 'CORS', cors: {} }] }],
    ['that set the host', { filters: [{ type: 'URLRewrite', urlRewrite: { hostname: 'x.y' } }] }],
    [
      'with a value of the request',
      {
        filters: [
          {
            type: 'RequestHeaderModifier',
            requestHeaderModifier: { set: [{ name: 'a', value: '${claims.sub}' }] },
          },
        ],
      },
    ],
    ['of backends', { backendRefs: [backend('v1', { filters: [{ type: 'CORS' }] })] }],
    ['that retry', { retry: { attempts: 3 } }],
    ['of sessions', { sessionPersistence: {} }],
    ['with a duration that is none', { timeouts: { request: 'soon' } }],
  ])('%s are not passed over', (_what, parts) => {
    const rules = [to('v1', [pathMatch('/a')], parts), to('v2', [pathMatch('/b')])];
    const served = serve({ routes: [httpRoute(rules)] });
    expect([goesTo(served, 'GET /a/x'), goesTo(served, 'GET /b')]).toEqual(['500', 'v2']);
    expect(said(served, 'Accepted')).toBe('True Accepted');
    expect(said(served, 'PartiallyInvalid')).toBe('True UnsupportedValue');
    const alone = serve({ routes: [httpRoute(rules.slice(0, 1))] });
    expect(said(alone, 'Accepted')).toBe('False UnsupportedValue');
    expect(goesTo(alone, 'GET /a')).toBe('500');
  });
});

describe('one bad object', () => {
  it('that the whole configuration refuses leaves the others', () => {
    const bad = { set: [{ name: 'Host', value: 'x' }] };
    const filters = [{ type: 'RequestHeaderModifier', requestHeaderModifier: bad }];
    const served = serve({
      routes: [
        httpRoute([to('v1', [pathMatch('/bad')], { filters })], { name: 'bad' }),
        httpRoute([to('v2', [pathMatch('/good')])], { name: 'good' }),
      ],
    });
    expect(goesTo(served, 'GET /good')).toBe('v2');
    expect(goesTo(served, 'GET /bad')).toBe('404');
    expect(said(served, 'Accepted', 'bad')).toBe('False UnsupportedValue');
    expect(said(served, 'Accepted', 'good')).toBe('True Accepted');
  });

  it('that there is no room for leaves the others', () => {
    const served = serve(
      {
        routes: [
          httpRoute([to('v1')], { name: 'old' }),
          httpRoute([to('v2', [pathMatch('/x')])], {
            name: 'young',
            created: '2026-02-01T00:00:00Z',
          }),
        ],
      },
      { kubernetes: { gatewayApi: { maxServices: 1 } } },
    );
    expect(said(served, 'Accepted', 'old')).toBe('True Accepted');
    expect(said(served, 'Accepted', 'young')).toBe('False NoRoom');
  });

  it.each<[string, unknown]>([
    ['rules', { 0: 'x' }],
    ['parentRefs', 'gateway'],
    ['hostnames', [1, null]],
    ['rules', [null, 7, { matches: 'x', backendRefs: {}, filters: [{}] }]],
  ])('of any form does no harm: %s is %j', (field, value) => {
    const served = serve({
      routes: [
        httpRoute([to('v1')], { name: 'bad', spec: { [field]: value } }),
        httpRoute([to('v2', [pathMatch('/good')])], { name: 'good' }),
      ],
    });
    expect(goesTo(served, 'GET /good')).toBe('v2');
  });
});

/** What a field may be in an object that nobody has checked. */
const scrap = fc.constantFrom<unknown>(
  ...[null, 7, -1, true, '', 'x', '/', '${request.path}', [], {}, [null], [{}], ['*'], [7]],
);
const NAMES = [
  ...['type', 'value', 'name', 'path', 'method', 'headers', 'queryParams', 'weight', 'port'],
  ...['requestRedirect', 'urlRewrite', 'requestMirror', 'requestHeaderModifier', 'set', 'add'],
  ...['backendRef', 'kind', 'namespace', 'sectionName', 'request', 'statusCode', 'hostname'],
  ...['protocol', 'tls', 'certificateRefs', 'allowedRoutes', 'namespaces', 'from', 'selector'],
];
const KNOWN_VALUES = fc.constantFrom<unknown>(
  ...['PathPrefix', 'Exact', 'RegularExpression', 'RequestRedirect', 'URLRewrite', 'RequestMirror'],
  ...['RequestHeaderModifier', 'ReplacePrefixMatch', 'HTTP', 'HTTPS', 'Selector', 'GET', 80],
);
const leaf = fc.oneof(scrap, KNOWN_VALUES);
const branch = fc.dictionary(fc.constantFrom(...NAMES), leaf, { maxKeys: 6 });
const part = fc.oneof(
  leaf,
  branch,
  fc.dictionary(fc.constantFrom(...NAMES), branch, { maxKeys: 3 }),
);
const list = fc.oneof(scrap, fc.array(part, { maxLength: 3 }));
const rules = fc.array(
  fc.dictionary(fc.constantFrom('matches', 'filters', 'backendRefs', 'timeouts', 'x'), list),
  { maxLength: 3 },
);

describe('objects of any form', () => {
  it('never stop the others, and never make the whole fail', () => {
    fc.assert(
      fc.property(rules, list, list, list, (ofRoute, hostnames, listeners, references) => {
        const bad = { name: 'bad', created: '2025-01-01T00:00:00Z' };
        const spec = { ...(Array.isArray(hostnames) && { hostnames }) };
        const odd = gateway([], { ...bad, spec: { listeners } });
        const grants = [
          { metadata: { namespace: 'other' }, spec: { from: references, to: references } },
        ];
        const parts = { gateways: [gateway(), odd], grants };
        const good = httpRoute([to('v2', [pathMatch('/good', 'Exact')])], { name: 'good' });
        const served = serve({ ...parts, routes: [httpRoute(ofRoute, { ...bad, spec }), good] });
        expect(said(served, 'Accepted', 'good')).toBe('True Accepted');
        // A route of the same place may be older; any other is less exact.
        expect(goesTo(served, 'GET good.example/good')).not.toBe('404');
      }),
      { numRuns: 150 },
    );
  });
});

const SECURE_AT_80: KubeJson = { protocol: 'HTTPS', tls: {} };

describe('Gateways', () => {
  const SECURE = { name: 'https', port: 443, protocol: 'HTTPS' };
  const certificate = (parts: KubeJson = {}): KubeJson => ({
    tls: { certificateRefs: [{ name: 'pair', ...parts }] },
  });
  const known = (place = `${INFRA}/pair`, problem = '') => [{ place, problem }];

  it('are accepted and programmed, with addresses, and say how many routes they have', () => {
    const served = serve(
      { routes: [httpRoute([to('v1')])] },
      { kubernetes: { gatewayApi: { publish: ['203.0.113.7', 'gw.example'] } } },
    );
    expect(gatewaySaid(served, 'Accepted')).toBe('True Accepted');
    expect(gatewaySaid(served, 'Programmed')).toBe('True Programmed');
    expect(listenerStatus(served, 'http')).toMatchObject({
      supportedKinds: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute' }],
      attachedRoutes: 1,
    });
    expect(listenerSaid(served, 'http', 'Conflicted')).toBe('False NoConflicts');
    expect(served.statuses.find(({ kind }) => kind === 'gateways')?.status).toMatchObject({
      addresses: [
        { type: 'IPAddress', value: '203.0.113.7' },
        { type: 'Hostname', value: 'gw.example' },
      ],
    });
  });

  it.each<[string, KubeJson, string, string]>([
    ['with a port of nobody', { port: 81 }, 'Accepted', 'False PortUnavailable'],
    [
      'of TLS with a port for none',
      { protocol: 'HTTPS', ...certificate() },
      'Accepted',
      'False PortUnavailable',
    ],
    ['of another protocol', { protocol: 'TCP' }, 'Accepted', 'False UnsupportedProtocol'],
    ['of no protocol', { protocol: 'example.com/x' }, 'Accepted', 'False UnsupportedProtocol'],
    [
      'with an unknown kind beside a known one',
      { allowedRoutes: { kinds: [{ kind: 'HTTPRoute' }, { kind: 'InvalidRoute' }] } },
      'ResolvedRefs',
      'False InvalidRouteKinds',
    ],
  ])('have listeners %s', (_what, parts, type, expected) => {
    const served = serve({ gateways: [gateway([httpListener(parts)])] });
    expect(listenerSaid(served, 'http', type)).toBe(expected);
    const isServed = type === 'ResolvedRefs';
    expect(listenerSaid(served, 'http', 'Programmed').startsWith('True')).toBe(isServed);
    expect(gatewaySaid(served, 'Accepted')).toBe(
      `${isServed ? 'True' : 'False'} ListenersNotValid`,
    );
  });

  it('with one bad listener serve the others', () => {
    const listeners = [httpListener(), httpListener({ name: 'bad', port: 99, protocol: 'UDP' })];
    const served = serve({ gateways: [gateway(listeners)], routes: [httpRoute([to('v1')])] });
    expect(gatewaySaid(served, 'Accepted')).toBe('True ListenersNotValid');
    expect(gatewaySaid(served, 'Programmed')).toBe('True Programmed');
    expect(goesTo(served, 'GET /')).toBe('v1');
  });

  it.each<[string, KubeJson, string]>([
    ['hostname', {}, 'HostnameConflict'],
    ['port of another protocol', SECURE_AT_80, 'ProtocolConflict'],
  ])('have listeners in conflict by their %s', (_what, parts, reason) => {
    const listeners = [httpListener(), httpListener({ name: 'second', ...parts })];
    const served = serve({ gateways: [gateway(listeners)], routes: [httpRoute([to('v1')])] });
    expect(listenerSaid(served, 'http', 'Conflicted')).toBe(`True ${reason}`);
    expect(goesTo(served, 'GET /')).toBe('404');
  });

  it.each<[string, KubeJson, Partial<GatewayObjects>, string]>([
    ['that is there', certificate(), { tlsSecrets: known() }, 'True ResolvedRefs'],
    ['that was not read', certificate(), {}, 'False InvalidCertificateRef'],
    [
      'that is bad',
      certificate(),
      { tlsSecrets: known(`${INFRA}/pair`, 'it is no certificate') },
      'False InvalidCertificateRef',
    ],
    ['of another kind', certificate({ kind: 'ConfigMap' }), {}, 'False InvalidCertificateRef'],
    ['of another group', certificate({ group: 'x.y' }), {}, 'False InvalidCertificateRef'],
    ['of nowhere', { tls: {} }, {}, 'False InvalidCertificateRef'],
    [
      'of another namespace',
      certificate({ namespace: 'other' }),
      { tlsSecrets: known('other/pair') },
      'False RefNotPermitted',
    ],
    [
      'of another namespace that is granted',
      certificate({ namespace: 'other' }),
      {
        tlsSecrets: known('other/pair'),
        grants: [grant('other', { kind: 'Gateway', namespace: INFRA }, { kind: 'Secret' })],
      },
      'True ResolvedRefs',
    ],
    [
      'of another namespace that is granted to routes',
      certificate({ namespace: 'other' }),
      {
        tlsSecrets: known('other/pair'),
        grants: [grant('other', { kind: 'HTTPRoute', namespace: INFRA }, { kind: 'Secret' })],
      },
      'False RefNotPermitted',
    ],
  ])('with a certificate %s', (_what, tls, objects, expected) => {
    const gateways = [gateway([{ ...SECURE, ...tls }])];
    const served = serve({ gateways, routes: [httpRoute([to('v1')])], ...objects });
    expect(listenerSaid(served, 'https', 'ResolvedRefs')).toBe(expected);
    const isServed = expected.startsWith('True');
    expect(listenerSaid(served, 'https', 'Programmed').startsWith('True')).toBe(isServed);
    const route = findRoute(served.config, 'GET /', 'secure');
    expect(route === null).toBe(!isServed);
    expect(findRoute(served.config, 'GET /', 'plain')).toBeNull();
    expect(listenerStatus(served, 'https')['attachedRoutes']).toBe(1);
  });

  it.each<[string, KubeJson, KubeJson]>([
    ['pass TLS through', {}, { mode: 'Passthrough' }],
    ['ask for certificates of clients', { tls: { frontend: { default: {} } } }, {}],
  ])('that %s are refused', (_what, spec, tls) => {
    const listener = { ...SECURE, tls: { certificateRefs: [{ name: 'pair' }], ...tls } };
    const served = serve({ gateways: [gateway([listener], { spec })], tlsSecrets: known() });
    expect(listenerSaid(served, 'https', 'Accepted')).toBe('False UnsupportedValue');
  });

  it.each<[string, KubeJson, string, string]>([
    [
      'parameters',
      { infrastructure: { parametersRef: {} } },
      'Accepted',
      'False InvalidParameters',
    ],
    [
      'an address of nobody',
      { addresses: [{ value: '198.51.100.1' }] },
      'Programmed',
      'False AddressNotUsable',
    ],
    [
      'an address of a kind',
      { addresses: [{ type: 'x.y/z', value: 'a' }] },
      'Accepted',
      'False UnsupportedAddress',
    ],
  ])('with %s are not served', (_what, spec, type, expected) => {
    const gateways = [gateway([httpListener()], { spec })];
    const served = serve({ gateways, routes: [httpRoute([to('v1')])] });
    expect(gatewaySaid(served, type)).toBe(expected);
    expect(goesTo(served, 'GET /')).toBe('404');
  });

  it('have the listeners that the configuration names for their ports', () => {
    const file = {
      listen: [{ name: 'inside', port: 8000 }],
      kubernetes: { gatewayApi: { ports: { '80': 'inside' } } },
    };
    const served = serve({ routes: [httpRoute([to('v1')])] }, file);
    expect(findRoute(served.config, 'GET /', 'inside')?.match.listener).toEqual(['inside']);
  });

  it('say which version of the object is meant', () => {
    const served = serve({
      gateways: [gateway([httpListener()], { generation: 7 })],
      routes: [httpRoute([to('v1')], { generation: 9 })],
    });
    const generations = served.statuses.map(({ kind, status }) => {
      const parts = [status, ...listAt(status, 'parents'), ...listAt(status, 'listeners')];
      const seen = parts.flatMap((one) => listAt(one, 'conditions'));
      return [kind, [...new Set(seen.map((one) => one['observedGeneration']))]];
    });
    expect(generations).toEqual([
      ['gatewayclasses', [1]],
      ['gateways', [7]],
      ['httproutes', [9]],
    ]);
    expect(recordAt(served.statuses[2]?.status ?? {}, 'none')).toEqual({});
  });
});
