/**
 * Ingress objects of a cluster as routes of a whole gateway. The API server is played; the real
 * kubectl says whether it plays well (kubernetes-source.test.ts).
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { FakeKubeApi, type KubeMetadata } from '../support/fake-kube-api.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { HostAsker } from '../support/host-asker.js';
import { makeCertificate, type TestCertificate } from '../support/test-certificate.js';
import { askSecurely } from '../support/tls-client.js';

const PREFIX = 'nginx.ingress.kubernetes.io/';
const ADDRESS = '203.0.113.7';

interface Stats {
  readonly configuration: {
    readonly kubernetes: {
      readonly state: string;
      readonly used: number;
      readonly refused: number;
      readonly troubles: Readonly<Record<string, string>>;
      readonly certificates: Readonly<Record<string, string>>;
      readonly ingresses: readonly { name: string; state: string; reasons: readonly string[] }[];
    };
  };
}

let folder: string;
let api: FakeKubeApi;
let origins: readonly FakeUpstream[];
let gateway: GatewayProcess;
let config: Record<string, unknown>;
let certificates: readonly TestCertificate[];

const asker = new HostAsker(() => gateway.port);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-ingress-'));
  certificates = [makeCertificate('DNS:tls.example'), makeCertificate('DNS:tls.example')];
  api = await FakeKubeApi.start();
  origins = await Promise.all(
    ['web', 'next'].map((name) =>
      FakeUpstream.start((incoming, response) => response.end(`${name} ${incoming.url}`)),
    ),
  );
  api.put('ingressclasses', {
    metadata: { name: 'sluice' },
    spec: { controller: 'sluice.dev/ingress' },
  });
  service('web', 0);
  service('next', 1);
  ingress('first', 'first.example', {
    path: '/app(/|$)(.*)',
    annotations: { 'rewrite-target': '/$2' },
  });
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
  const common = { engine: 'wire' };
  return {
    listen: [
      { name: 'plain', port: 0, ...common },
      { name: 'secure', host: '127.0.0.2', port: 0, tls: {}, ...common },
    ],
    workers: 1,
    stateDir: folder,
    kubernetes: {
      kubeconfig,
      ingress: { publish: [ADDRESS], maxServices: 20, maxTargets: 4 },
    },
  };
}

function service(name: string, at: number): void {
  const { port } = new URL(origins[at]?.url ?? '');
  api.put('services', {
    metadata: { name },
    spec: { type: 'ClusterIP', clusterIP: '10.0.0.1', ports: [{ name: 'http', port: 80 }] },
  });
  api.put('endpointslices', {
    metadata: { name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: Number(port), protocol: 'TCP' }],
    endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }],
  });
}

interface IngressWish {
  readonly path?: string;
  readonly service?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly tls?: readonly object[];
}

function ingress(name: string, host: string, wish: IngressWish = {}): void {
  const { path = '/', service: to = 'web', annotations = {}, tls } = wish;
  const own = Object.entries(annotations).map(([key, value]) => [PREFIX + key, value]);
  const metadata: KubeMetadata = {
    ...{ name, uid: `uid-${name}`, creationTimestamp: '2026-01-01T00:00:00Z' },
    annotations: Object.fromEntries(own),
  };
  const backend = { service: { name: to, port: { number: 80 } } };
  const pathType = path.includes('(') ? 'ImplementationSpecific' : 'Prefix';
  api.put('ingresses', {
    metadata,
    spec: {
      ingressClassName: 'sluice',
      rules: [{ host, http: { paths: [{ path, pathType, backend }] } }],
      ...(tls !== undefined && { tls }),
    },
  });
}

function secret(name: string, pair: TestCertificate): void {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  api.put('secrets', {
    metadata: { name },
    type: 'kubernetes.io/tls',
    data: { 'tls.crt': base64(pair.cert), 'tls.key': base64(pair.key) },
  });
}

async function cluster(): Promise<Stats['configuration']['kubernetes']> {
  return (await gateway.stats<Stats>()).configuration.kubernetes;
}

describe('an Ingress', () => {
  it('that was there is served from the start', async () => {
    await asker.answers('first.example', '/app/a?b=c', '200 web /a?b=c');
    expect(await asker.ask('other.example', '/app/a')).toBe('404');
    expect(await cluster()).toMatchObject({ state: 'watching', used: 1, refused: 0, troubles: {} });
    const reply = await fetch(`${gateway.adminUrl}/readyz`);
    expect(reply.status).toBe(200);
  });

  it('comes, changes, goes and comes back', async () => {
    ingress('second', 'second.example', { path: '/a' });
    await asker.answers('second.example', '/a/b', '200 web /a/b');
    expect(await asker.ask('second.example', '/ab')).toBe('404');
    ingress('second', 'second.example', { path: '/c', service: 'next' });
    await asker.answers('second.example', '/c', '200 next /c');
    expect(await asker.ask('second.example', '/a')).toBe('404');
    api.remove('ingresses', 'second');
    await asker.answers('second.example', '/c', '404');
    ingress('second', 'second.example');
    await asker.answers('second.example', '/c', '200 web /c');
  });

  it('has the address of the gateway in its status, written once', async () => {
    await eventually('the status is there', () => {
      const status = api.find('ingresses', 'first')?.['status'];
      return JSON.stringify(status) === `{"loadBalancer":{"ingress":[{"ip":"${ADDRESS}"}]}}`;
    });
    ingress('third', 'third.example');
    await asker.answers('third.example', '/', '200 web /');
    await eventually('the status of the third is there', () =>
      api.written.includes('PATCH ingresses third'),
    );
    expect(api.written.filter((one) => one === 'PATCH ingresses first')).toHaveLength(1);
  });

  it('that is refused leaves the others, and is told in all places', async () => {
    const annotations = { 'server-snippet': 'return 200;' };
    ingress('bad', 'bad.example', { annotations });
    ingress('good', 'good.example');
    await asker.answers('good.example', '/', '200 web /');
    expect(await asker.ask('bad.example', '/')).toBe('404');
    expect((await cluster()).ingresses).toMatchObject([
      { name: 'shop/bad', state: 'refused', reasons: [expect.stringContaining('server-snippet')] },
    ]);
    await eventually('there is an event', () => api.all('events').length > 0);
    expect(api.all('events')).toMatchObject([
      { type: 'Warning', reason: 'Refused', involvedObject: { name: 'bad', uid: 'uid-bad' } },
    ]);
    await eventually('the log says so', () =>
      gateway.find('an Ingress is refused').some((one) => one['ingress'] === 'shop/bad'),
    );
    ingress('bad', 'bad.example');
    await asker.answers('bad.example', '/', '200 web /');
  });

  it('that is changed into a wrong one is served as it was', async () => {
    ingress('good', 'good.example', {
      path: '/new',
      annotations: { 'denylist-source-range': 'x' },
    });
    const isBefore = async () =>
      (await cluster()).ingresses.some((one) => `${one.name} ${one.state}` === 'shop/good before');
    await eventually('it is refused', isBefore);
    expect(await asker.ask('good.example', '/')).toBe('200 web /');
    ingress('good', 'good.example');
    await eventually('it is used', async () => !(await isBefore()));
  });

  it('shares its requests with a canary', async () => {
    ingress('canary', 'good.example', {
      service: 'next',
      annotations: { canary: 'true', 'canary-weight': '100' },
    });
    await asker.answers('good.example', '/', '200 next /');
    api.remove('ingresses', 'canary');
    await asker.answers('good.example', '/', '200 web /');
  });

  it('deleted while nobody listened is found out after 410', async () => {
    api.remove('ingresses', 'third', false);
    api.endWatches({ kind: 'Status', code: 410, reason: 'Expired' });
    await asker.answers('third.example', '/', '404');
    expect(await asker.ask('first.example', '/app/')).toBe('200 web /');
  });

  it('is served on while something cannot be read, which is told', async () => {
    api.forbidden.add('ingressclasses').add('ingresses');
    api.endWatches(null);
    await eventually('it is told', async () => {
      const { troubles } = await cluster();
      return troubles['ingresses'] !== undefined && troubles['ingressclasses'] !== undefined;
    });
    expect(await asker.ask('first.example', '/app/')).toBe('200 web /');
    api.forbidden.clear();
    await eventually('all is well', async () => {
      return Object.keys((await cluster()).troubles).length === 0;
    });
  });
});

describe('TLS', () => {
  const TLS = [{ hosts: ['tls.example'], secretName: 'pair' }];

  function fingerprintOf(at: number): Promise<string> {
    const [listening] = gateway.find('gateway started');
    const listeners = listening?.['listeners'] as readonly { name: string; address: string }[];
    const { address = '' } = listeners.find(({ name }) => name === 'secure') ?? {};
    const port = Number(address.split(':')[1]);
    const ca = certificates[at]?.cert ?? '';
    return askSecurely(port, { host: '127.0.0.2', ca, servername: 'tls.example' }).then(
      ({ status }) => String(status),
      () => 'none',
    );
  }

  it('has the certificate of the secret, and follows it', async () => {
    ingress('tls', 'tls.example', { tls: TLS });
    await asker.answers('tls.example', '/a?b', '308 https://tls.example/a?b');
    const problem = (await cluster()).certificates['shop/pair'];
    expect(problem).toContain('not there');
    for (const [at, pair] of certificates.entries()) {
      secret('pair', pair);
      await eventually(
        `certificate ${at} is shown`,
        async () => (await fingerprintOf(at)) === '200',
      );
    }
    expect((await cluster()).certificates).toEqual({});
    expect(api.asked.filter((path) => path.includes('/secrets'))).not.toContainEqual(
      expect.not.stringContaining('fieldSelector=metadata.name%3Dpair'),
    );
  });

  it('writes no key and no certificate onto the disk, and shows none', async () => {
    const shown = JSON.stringify(await gateway.stats());
    expect(shown).not.toContain('PRIVATE KEY');
    const log = JSON.stringify(gateway.records());
    expect(log).not.toContain('PRIVATE KEY');
  });
});

describe('without the cluster', () => {
  it('a gateway starts with its last good copy', async () => {
    await gateway.stop();
    await api.stop();
    gateway = await GatewayProcess.start(config);
    expect(await cluster()).toMatchObject({ state: 'copy' });
    expect(gateway.stderr).toContain('last good copy');
    const reply = await fetch(`${gateway.adminUrl}/readyz`);
    const { status } = (await reply.json()) as { status: string };
    expect(['ready', 'waiting for targets']).toContain(status);
    // There is nobody to name its endpoints.
    expect(await asker.ask('first.example', '/app/')).toBe('503');
    expect(await asker.ask('nowhere.example', '/')).toBe('404');
  });

  it('and without a copy it is not ready', async () => {
    await gateway.stop();
    rmSync(join(folder, 'last-good-configuration.json'));
    gateway = await GatewayProcess.start(config);
    const reply = await fetch(`${gateway.adminUrl}/readyz`);
    expect(reply.status).toBe(503);
    expect(await reply.json()).toEqual({ status: 'waiting for the cluster' });
    expect(await asker.ask('first.example', '/app/')).toBe('404');
  });
});
