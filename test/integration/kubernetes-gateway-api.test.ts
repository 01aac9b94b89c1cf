/**
 * Objects of the Gateway API as routes of a whole gateway, and what it writes into their status. The
 * API server is played; the real kubectl gives it the objects of the example.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type KubeJson, listAt, recordAt } from '../../src/config/kubernetes/kube-json.js';
import { eventually } from '../support/eventually.js';
import { FakeKubeApi, GATEWAY_KINDS } from '../support/fake-kube-api.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { HostAsker } from '../support/host-asker.js';
import { describeUnless } from '../support/not-run.js';
import { runProgram } from '../support/programs.js';
import { makeCertificate, type TestCertificate } from '../support/test-certificate.js';
import { askSecurely } from '../support/tls-client.js';

const ADDRESS = '203.0.113.7';
const CONTROLLER = 'sluice.dev/gateway-controller';
const KINDS = ['gateways', 'httproutes'] as const;
const NO_KUBECTL =
  spawnSync('kubectl', ['version', '--client']).status === 0
    ? ''
    : 'there is no kubectl (package kubernetes-client)';

interface Stats {
  readonly configuration: {
    readonly kubernetes: {
      readonly state: string;
      readonly troubles: Readonly<Record<string, string>>;
      readonly gatewayApi: {
        readonly objects: number;
        readonly sound: number;
        readonly troubled: readonly { name: string; problems: readonly string[] }[];
      };
    };
  };
}

let folder: string;
let api: FakeKubeApi;
let origins: readonly FakeUpstream[];
let gateway: GatewayProcess;
let config: Record<string, unknown>;
let certificate: TestCertificate;

const asker = new HostAsker(
  () => gateway.port,
  (headers) => (headers['x-internal'] === undefined ? ' hidden' : ''),
);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-gateway-api-'));
  certificate = makeCertificate('DNS:tls.example');
  api = await FakeKubeApi.start();
  origins = await Promise.all(
    ['web', 'next'].map((name) =>
      FakeUpstream.start((incoming, response) => {
        response.setHeader('x-internal', 'yes');
        response.end(`${name} ${incoming.url} ${incoming.headers['x-added'] ?? ''}`.trim());
      }),
    ),
  );
  service('web', 0);
  service('next', 1);
  api.put('gatewayclasses', {
    metadata: { name: 'sluice', uid: 'uid-class' },
    spec: { controllerName: CONTROLLER },
  });
  putGateway([{ name: 'http', port: 80, protocol: 'HTTP' }]);
  route('first', [rule('/', 'web')], { hostnames: ['first.example'] });
  config = configuration();
  gateway = await GatewayProcess.start(config);
});

afterAll(async () => {
  await gateway?.kill();
  await api?.stop();
  for (const origin of origins ?? []) await origin.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Room for few services only: tables are quickly made. */
function configuration(): Record<string, unknown> {
  const kubeconfig = join(folder, 'kubeconfig');
  writeFileSync(kubeconfig, api.kubeconfig());
  return {
    listen: [
      { name: 'plain', port: 0 },
      { name: 'secure', host: '127.0.0.2', port: 0, tls: {} },
    ],
    workers: 1,
    stateDir: folder,
    kubernetes: {
      kubeconfig,
      gatewayApi: {
        publish: [ADDRESS],
        ports: { 80: 'plain', 443: 'secure' },
        ...{ maxServices: 10, maxTargets: 2 },
      },
    },
  };
}

function service(name: string, at: number, namespace = 'shop'): void {
  const { port } = new URL(origins[at]?.url ?? '');
  api.put('services', {
    metadata: { name, namespace },
    spec: { type: 'ClusterIP', clusterIP: '10.0.0.1', ports: [{ name: 'http', port: 80 }] },
  });
  api.put('endpointslices', {
    metadata: {
      ...{ name: `${name}-1`, namespace },
      labels: { 'kubernetes.io/service-name': name },
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: Number(port), protocol: 'TCP' }],
    endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }],
  });
}

function putGateway(listeners: readonly object[]): void {
  const status = api.find('gateways', 'front')?.['status'];
  api.put('gateways', {
    metadata: { name: 'front', uid: 'uid-front', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { gatewayClassName: 'sluice', listeners },
    ...(status !== undefined && { status }),
  });
}

function route(name: string, rules: readonly object[], spec: object = {}): void {
  const status = api.find('httproutes', name)?.['status'];
  api.put('httproutes', {
    metadata: { name, uid: `uid-${name}`, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { parentRefs: [{ name: 'front' }], hostnames: [`${name}.example`], rules, ...spec },
    ...(status !== undefined && { status }),
  });
}

function rule(path: string, backend: string, parts: object = {}): object {
  return {
    matches: [{ path: { type: 'PathPrefix', value: path } }],
    backendRefs: [{ name: backend, port: 80 }],
    ...parts,
  };
}

async function cluster(): Promise<Stats['configuration']['kubernetes']> {
  return (await gateway.stats<Stats>()).configuration.kubernetes;
}

/** The entry of this controller in the status of an HTTPRoute. */
function parentOf(name: string): KubeJson {
  const status = recordAt(api.find('httproutes', name) ?? {}, 'status');
  return listAt(status, 'parents').find((one) => one['controllerName'] === CONTROLLER) ?? {};
}

function conditionOf(part: KubeJson, type: string): KubeJson {
  return listAt(part, 'conditions').find((one) => one['type'] === type) ?? {};
}

function said(part: KubeJson, type: string): string {
  const { status, reason } = conditionOf(part, type);
  return `${String(status)} ${String(reason)}`;
}

function listenerOf(name: string): KubeJson {
  const status = recordAt(api.find('gateways', 'front') ?? {}, 'status');
  return listAt(status, 'listeners').find((one) => one['name'] === name) ?? {};
}

describe('an HTTPRoute', () => {
  it('that was there is served from the start, and all objects say so', async () => {
    await asker.answers('first.example', '/a?b=c', '200 web /a?b=c');
    expect(await asker.ask('other.example', '/a')).toBe('404');
    await eventually('all is written', () => {
      const status = api.find('gateways', 'front')?.['status'];
      return status !== undefined && said(parentOf('first'), 'Accepted') === 'True Accepted';
    });
    const status = recordAt(api.find('gateways', 'front') ?? {}, 'status');
    expect(status).toMatchObject({ addresses: [{ type: 'IPAddress', value: ADDRESS }] });
    expect(said(status, 'Programmed')).toBe('True Programmed');
    expect(listenerOf('http')).toMatchObject({ attachedRoutes: 1 });
    const ofClass = recordAt(api.find('gatewayclasses', 'sluice') ?? {}, 'status');
    expect(said(ofClass, 'Accepted')).toBe('True Accepted');
    expect(await cluster()).toMatchObject({
      state: 'watching',
      gatewayApi: { objects: 3, sound: 3, troubled: [] },
    });
  });

  it('that changes is written of once, and keeps the time of conditions that do not', async () => {
    const before = conditionOf(parentOf('first'), 'Accepted')['lastTransitionTime'];
    expect(before).toMatch(/^\d{4}-.*Z$/);
    route('first', [rule('/new', 'web')]);
    await asker.answers('first.example', '/a', '404');
    await eventually('the generation is the new one', () => {
      const { observedGeneration } = conditionOf(parentOf('first'), 'Accepted');
      return observedGeneration === 2;
    });
    expect(conditionOf(parentOf('first'), 'Accepted')['lastTransitionTime']).toBe(before);
    const writes = api.written.filter((one) => one === 'PATCH httproutes first');
    expect(writes).toHaveLength(2);
  });

  it('changes requests and replies by its filters', async () => {
    const change = (type: string, parts: object) => ({ type, ...parts });
    route('filters', [
      rule('/in', 'web', {
        filters: [
          change('RequestHeaderModifier', {
            requestHeaderModifier: { set: [{ name: 'X-Added', value: 'added' }] },
          }),
          change('ResponseHeaderModifier', {
            responseHeaderModifier: { remove: ['X-Internal'] },
          }),
          change('URLRewrite', {
            urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/out' } },
          }),
        ],
      }),
      {
        matches: [{ path: { type: 'PathPrefix', value: '/old' } }],
        filters: [
          change('RequestRedirect', {
            requestRedirect: {
              ...{ scheme: 'https', statusCode: 301 },
              path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/fresh' },
            },
          }),
        ],
      },
    ]);
    await asker.answers('filters.example', '/in/a?b', '200 web /out/a?b added hidden');
    expect(await asker.ask('filters.example', '/in')).toBe('200 web /out added hidden');
    const fresh = 'https://filters.example/fresh';
    expect(await asker.ask('filters.example:81', '/old/a/b?c=d')).toBe(`301 ${fresh}/a/b?c=d`);
    expect(await asker.ask('filters.example', '/old')).toBe(`301 ${fresh}`);
    expect(await asker.ask('filters.example', '/old/')).toBe(`301 ${fresh}/`);
    expect(await asker.ask('filters.example', '/older')).toBe('404');
  });

  it('shares its requests by weight, and refuses the part of a service that is not there', async () => {
    const refs = (names: readonly string[]) => names.map((name) => ({ name, port: 80, weight: 5 }));
    route('weights', [{ backendRefs: refs(['web', 'next', 'gone']) }]);
    const all = ['200 next /', '200 web /', '500'];
    const early = new Set<string>();
    await eventually('all of them get some', async () => {
      early.add(await asker.ask('weights.example', '/'));
      return all.every((one) => early.has(one));
    });
    // The endpoints of each are known by now.
    const seen = new Set<string>();
    for (let nth = 0; nth < 60; nth += 1) seen.add(await asker.ask('weights.example', '/'));
    expect([...seen].sort()).toEqual(all);
    await eventually('it is told', () => {
      return said(parentOf('weights'), 'ResolvedRefs') === 'False BackendNotFound';
    });
    expect((await cluster()).gatewayApi.troubled).toEqual([
      { name: 'HTTPRoute shop/weights', problems: [expect.stringContaining('shop/gone')] },
    ]);
    expect(gateway.find('an object of the Gateway API is not served as it is')).toHaveLength(1);
    service('gone', 1);
    await eventually('all is well', () => {
      return said(parentOf('weights'), 'ResolvedRefs') === 'True ResolvedRefs';
    });
  });

  it('reaches services of other namespaces only while they are granted', async () => {
    service('far', 1, 'other');
    route('far', [{ backendRefs: [{ name: 'far', namespace: 'other', port: 80 }] }]);
    await asker.answers('far.example', '/', '500');
    await eventually('it is told', () => {
      return said(parentOf('far'), 'ResolvedRefs') === 'False RefNotPermitted';
    });
    const group = 'gateway.networking.k8s.io';
    const grant = (namespace: string) => ({
      metadata: { name: 'grant', namespace: 'other' },
      spec: {
        from: [{ group, kind: 'HTTPRoute', namespace }],
        to: [{ group: '', kind: 'Service' }],
      },
    });
    api.put('referencegrants', grant('shop'));
    await asker.answers('far.example', '/', '200 next /');
    api.put('referencegrants', grant('third'));
    await asker.answers('far.example', '/', '500');
  });

  it('that is wrong leaves the others', async () => {
    const filters = [{ type: 'ExtensionRef', extensionRef: { group: 'x', kind: 'Y', name: 'z' } }];
    route('bad', [rule('/', 'web', { filters })]);
    await asker.answers('bad.example', '/', '500');
    expect(await asker.ask('first.example', '/new')).toBe('200 web /new');
    await eventually('it is told', () => {
      return said(parentOf('bad'), 'Accepted') === 'False UnsupportedValue';
    });
    route('bad', [rule('/', 'web')]);
    await asker.answers('bad.example', '/', '200 web /');
  });

  it('keeps what other controllers say of it, and loses what is no longer ours', async () => {
    const { parents = [] } = recordAt(api.find('httproutes', 'bad') ?? {}, 'status');
    const others = { parentRef: { name: 'theirs' }, controllerName: 'x.example/y', conditions: [] };
    const object = api.find('httproutes', 'bad');
    if (object === undefined) throw new Error('the route is there');
    api.conflicts = 1;
    api.put('httproutes', { ...object, status: { parents: [others, ...(parents as object[])] } });
    route('bad', [rule('/b', 'web')]);
    await asker.answers('bad.example', '/', '404');
    await eventually('it is written, in spite of a conflict', () => {
      return conditionOf(parentOf('bad'), 'Accepted')['observedGeneration'] === 3;
    });
    const statusNow = () => recordAt(api.find('httproutes', 'bad') ?? {}, 'status')['parents'];
    expect(statusNow()).toMatchObject([others, { controllerName: CONTROLLER }]);
    route('bad', [rule('/b', 'web')], { parentRefs: [{ name: 'theirs' }] });
    await eventually('the other one alone is left', () => {
      return JSON.stringify(statusNow()) === JSON.stringify([others]);
    });
    expect(await asker.ask('bad.example', '/b')).toBe('404');
  });
});

describe('a Gateway', () => {
  const HTTP = { name: 'http', port: 80, protocol: 'HTTP' };
  const HTTPS = {
    ...{ name: 'https', port: 443, protocol: 'HTTPS', hostname: 'tls.example' },
    tls: { certificateRefs: [{ name: 'pair' }] },
  };

  async function secureStatus(): Promise<string> {
    const [started] = gateway.find('gateway started');
    const listeners = started?.['listeners'] as readonly { name: string; address: string }[];
    const { address = '' } = listeners.find(({ name }) => name === 'secure') ?? {};
    const options = { host: '127.0.0.2', ca: certificate.cert, servername: 'tls.example' };
    return askSecurely(Number(address.split(':')[1]), options).then(
      ({ status }) => String(status),
      () => 'none',
    );
  }

  it('has listeners that are not served, and says why', async () => {
    putGateway([HTTP, HTTPS, { name: 'high', port: 8080, protocol: 'HTTP' }]);
    route('tls', [rule('/', 'web')]);
    await eventually('they are told of', () => {
      return said(listenerOf('high'), 'Accepted') === 'False PortUnavailable';
    });
    expect(said(listenerOf('https'), 'ResolvedRefs')).toBe('False InvalidCertificateRef');
    expect(said(listenerOf('http'), 'Programmed')).toBe('True Programmed');
    await asker.answers('tls.example', '/', '200 web /');
  });

  it('shows the certificate of a secret once it is there', async () => {
    const base64 = (text: string) => Buffer.from(text).toString('base64');
    api.put('secrets', {
      metadata: { name: 'pair' },
      type: 'kubernetes.io/tls',
      data: { 'tls.crt': base64(certificate.cert), 'tls.key': base64(certificate.key) },
    });
    await eventually('it is shown', async () => (await secureStatus()) === '200');
    await eventually('it is told', () => {
      return said(listenerOf('https'), 'Programmed') === 'True Programmed';
    });
    expect(listenerOf('https')).toMatchObject({ attachedRoutes: 1 });
    const asked = api.asked.filter((path) => path.includes('/secrets'));
    expect(asked.every((path) => path.includes('metadata.name%3Dpair'))).toBe(true);
    expect(JSON.stringify(gateway.records())).not.toContain('PRIVATE KEY');
  });
});

describeUnless(NO_KUBECTL, 'kubectl', () => {
  it('applies the example, and sees what became of it', async () => {
    const kubeconfig = join(folder, 'kubeconfig');
    const kubectl = (...args: readonly string[]) =>
      runProgram('kubectl', ['--kubeconfig', kubeconfig, ...args]);
    for (const kind of KINDS)
      for (const { metadata } of api.all(kind)) api.remove(kind, metadata.name);
    const applied = await kubectl(
      ...['apply', '--validate=false', '-f', 'examples/kubernetes/gateway-api.yaml'],
    );
    expect(applied.stderr).not.toContain('error');
    expect(applied.code).toBe(0);
    await asker.answers('web.example', '/app/a', '200 web /a');
    await eventually('its status is there', () => {
      return said(parentOf('web'), 'Accepted') === 'True Accepted';
    });
    const path = '{.status.parents[0].conditions[?(@.type=="Accepted")].status}';
    const { stdout } = await kubectl('get', 'httproute', 'web', '-o', `jsonpath=${path}`);
    expect(stdout).toBe('True');
    const { stdout: addresses } = await kubectl(
      ...['get', 'gateway', 'front', '-o', 'jsonpath={.status.addresses[0].value}'],
    );
    expect(addresses).toBe(ADDRESS);
  });
});

describe('without the cluster', () => {
  it('the last good copy is used', async () => {
    if (NO_KUBECTL !== '') route('web', [rule('/app', 'web')]);
    await eventually('the route is there', async () => {
      return (await asker.ask('web.example', '/app')) !== '404';
    });
    await gateway.stop();
    const kubeconfig = join(folder, 'away');
    writeFileSync(kubeconfig, api.kubeconfig().replace(api.url, 'http://127.0.0.1:1'));
    const kubernetes = { ...(config['kubernetes'] as object), kubeconfig };
    gateway = await GatewayProcess.start({ ...config, kubernetes });
    expect(await cluster()).toMatchObject({ state: 'copy' });
    // There is nobody to name its endpoints.
    expect(await asker.ask('web.example', '/app')).toBe('503');
    expect(await asker.ask('nowhere.example', '/')).toBe('404');
    await gateway.stop();
  });
});

describe('without these kinds', () => {
  it('a gateway says so once, and serves what there is', async () => {
    for (const kind of GATEWAY_KINDS) api.absent.add(kind);
    api.put('ingressclasses', {
      metadata: { name: 'sluice' },
      spec: { controller: 'sluice.dev/ingress' },
    });
    const backend = { service: { name: 'web', port: { number: 80 } } };
    const paths = [{ path: '/', pathType: 'Prefix', backend }];
    api.put('ingresses', {
      metadata: { name: 'old', uid: 'uid-old', creationTimestamp: '2026-01-01T00:00:00Z' },
      spec: { ingressClassName: 'sluice', rules: [{ host: 'old.example', http: { paths } }] },
    });
    const kubernetes = { ...(config['kubernetes'] as object), ingress: { maxServices: 5 } };
    gateway = await GatewayProcess.start({ ...config, kubernetes });
    await asker.answers('old.example', '/', '200 web /');
    expect((await cluster()).troubles).toMatchObject({
      httproutes: 'the cluster does not have this kind of object',
    });
    const message = 'the cluster has no Gateway API, which is not waited for';
    const early = gateway.stderr.split(message).length - 1;
    expect(early + gateway.find(message).length).toBe(1);
    expect(gateway.stderr).not.toContain('cannot be read');
    expect(gateway.find('something of the cluster cannot be read')).toEqual([]);
  });
});
