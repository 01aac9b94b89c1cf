/**
 * Endpoints of Kubernetes: lists, watches, and everything that goes wrong with them. The server is
 * played; the real kubectl says whether it plays well.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../../../src/base/clock.js';
import {
  accessByKubeconfig,
  accessInCluster,
} from '../../../../src/supervisor/discovery/kube-access.js';
import {
  type KubernetesSettings,
  KubernetesSource,
} from '../../../../src/supervisor/discovery/kubernetes-source.js';
import { eventually } from '../../../support/eventually.js';
import { FakeClock } from '../../../support/fake-clock.js';
import { FakeKubeApi } from '../../../support/fake-kube-api.js';
import { describeUnless } from '../../../support/not-run.js';
import { runProgram } from '../../../support/programs.js';

const SETTINGS: KubernetesSettings = {
  kind: 'kubernetes',
  service: 'web',
  namespace: 'shop',
  port: 'http',
  mode: 'endpoints',
  kubeconfig: '',
  context: '',
};

const NO_KUBECTL =
  spawnSync('kubectl', ['version', '--client']).status === 0
    ? ''
    : 'there is no kubectl (package kubernetes-client)';

let api: FakeKubeApi;
let folder: string;
/** The last list, and errors, in words. */
let last: string;
let lists: string[];
let errors: string[];
let source: KubernetesSource | null;

beforeEach(async () => {
  api = await FakeKubeApi.start();
  folder = mkdtempSync(join(tmpdir(), 'sluice-kube-'));
  last = 'nothing';
  lists = [];
  errors = [];
  source = null;
});

afterEach(async () => {
  source?.stop();
  await api.stop();
  rmSync(folder, { recursive: true, force: true });
});

function start(
  parts: Partial<KubernetesSettings> = {},
  clock: Clock = systemClock,
): KubernetesSource {
  source = new KubernetesSource(
    { ...SETTINGS, ...parts },
    {
      clock,
      random: () => 0,
      access: async () => ({ url: api.url, headers: {}, namespace: 'shop' }),
    },
    {
      onTargets: (found) => {
        last = found
          .map(({ host, port }) => `${host}:${port}`)
          .sort()
          .join(' ');
        lists.push(last);
      },
      onError: (reason) => errors.push(reason),
    },
  );
  source.start();
  return source;
}

type EndpointWords = readonly [address: string, conditions?: Readonly<Record<string, boolean>>];

function slice(
  name: string,
  endpoints: readonly EndpointWords[],
  { service = 'web', port = 8080, portName = 'http' } = {},
): void {
  api.put('endpointslices', {
    metadata: { name, labels: { 'kubernetes.io/service-name': service } },
    addressType: 'IPv4',
    ports: [
      { name: portName, port, protocol: 'TCP' },
      { name: 'metrics', port: 9090, protocol: 'TCP' },
    ],
    endpoints: endpoints.map(([address, conditions]) => ({
      addresses: [address],
      ...(conditions !== undefined && { conditions }),
    })),
  });
}

function service(parts: Readonly<Record<string, unknown>> = {}): void {
  api.put('services', {
    metadata: { name: 'web' },
    spec: {
      type: 'ClusterIP',
      clusterIP: '10.96.0.7',
      ports: [
        { name: 'http', port: 80, targetPort: 8080 },
        { name: 'metrics', port: 9090 },
      ],
      ...parts,
    },
  });
}

const becomes = (text: string) => eventually(`the targets are ${text}`, () => last === text);

describe('endpoints of a service', () => {
  it('are those that are ready, of all slices, each once', async () => {
    slice('web-1', [['10.1.0.1', { ready: true }], ['10.1.0.2', { ready: false }], ['10.1.0.3']]);
    slice('web-2', [['10.1.0.1'], ['10.1.0.4']]);
    slice('other-1', [['10.1.0.9']], { service: 'other' });
    start();
    await becomes('10.1.0.1:8080 10.1.0.3:8080 10.1.0.4:8080');
    expect(api.asked[0]).toContain('labelSelector=kubernetes.io%2Fservice-name%3Dweb&limit=500');
    await eventually('it watches', () => api.watchCount === 1);
    expect(api.asked[1]).toMatch(/watch=true&allowWatchBookmarks=true&resourceVersion=103&timeout/);
  });

  it('that end serve only where no other is ready', async () => {
    const ending = { ready: false, serving: true, terminating: true };
    slice('web-1', [
      ['10.1.0.1', ending],
      ['10.1.0.2', { ready: true }],
    ]);
    start();
    await becomes('10.1.0.2:8080');
    slice('web-1', [
      ['10.1.0.1', ending],
      ['10.1.0.2', { ready: false, serving: false }],
    ]);
    await becomes('10.1.0.1:8080');
  });

  it('come and go as events say, and may be none', async () => {
    slice('web-1', [['10.1.0.1']]);
    start();
    await becomes('10.1.0.1:8080');
    slice('web-2', [['10.1.0.2']]);
    await becomes('10.1.0.1:8080 10.1.0.2:8080');
    api.remove('endpointslices', 'web-1');
    await becomes('10.1.0.2:8080');
    api.remove('endpointslices', 'web-2');
    await becomes('');
    expect(errors).toEqual([]);
  });

  it('that move from one slice to another are not lost in between', async () => {
    slice('web-1', [['10.1.0.1']]);
    start();
    await becomes('10.1.0.1:8080');
    await eventually('it watches', () => api.watchCount === 1);
    api.remove('endpointslices', 'web-1');
    slice('web-2', [['10.1.0.1'], ['10.1.0.2']]);
    await becomes('10.1.0.1:8080 10.1.0.2:8080');
    expect(lists).toEqual(['10.1.0.1:8080', '10.1.0.1:8080 10.1.0.2:8080']);
  });

  it('come in pages', async () => {
    api.pageMax = 2;
    for (let at = 1; at <= 5; at += 1) slice(`web-${at}`, [[`10.1.0.${at}`]]);
    start();
    await becomes('10.1.0.1:8080 10.1.0.2:8080 10.1.0.3:8080 10.1.0.4:8080 10.1.0.5:8080');
    expect(api.asked.filter((path) => path.includes('continue='))).toHaveLength(2);
  });

  it('are watched on from the last bookmark when a watch ends', async () => {
    slice('web-1', [['10.1.0.1']]);
    start();
    await eventually('it watches', () => api.watchCount === 1);
    api.bookmark();
    slice('web-2', [['10.1.0.2']], { service: 'other' });
    api.compactedAt = 102;
    api.endWatches(null);
    await eventually('it watches again', () => api.watchCount === 1);
    expect(api.asked.at(-1)).toContain('resourceVersion=102');
    slice('web-1', [['10.1.0.3']]);
    await becomes('10.1.0.3:8080');
    expect(errors).toEqual([]);
  });

  it.each([
    [
      'a status',
      () => {
        api.compactedAt = 1e6;
        api.endWatches(null);
      },
    ],
    ['an event', () => api.endWatches({ kind: 'Status', code: 410, reason: 'Expired' })],
  ])('are listed anew after a 410 as %s, so that no deletion is missed', async (_, expire) => {
    slice('web-1', [['10.1.0.1']]);
    slice('web-2', [['10.1.0.2']]);
    start();
    await becomes('10.1.0.1:8080 10.1.0.2:8080');
    await eventually('it watches', () => api.watchCount === 1);
    api.remove('endpointslices', 'web-1', false);
    expire();
    await becomes('10.1.0.2:8080');
    expect(errors).toEqual([]);
    api.compactedAt = 0;
  });

  it.each([
    ['no JSON', () => api.garble('<html>\n'), 'not JSON'],
    ['no event', () => api.garble('{"type":"ADDED"}\n'), 'no event'],
    [
      'an error',
      () => api.endWatches({ kind: 'Status', code: 500, reason: 'InternalError' }),
      'InternalError',
    ],
  ])('stay when a watch says %s, and are listed anew', async (_, spoil, problem) => {
    slice('web-1', [['10.1.0.1']]);
    start();
    await becomes('10.1.0.1:8080');
    await eventually('it watches', () => api.watchCount === 1);
    spoil();
    await eventually('it is an error', () => errors.some((one) => one.includes(problem)));
    await eventually('it lists anew', () => lists.length === 2);
    expect(last).toBe('10.1.0.1:8080');
  });

  it('are not asked for without a pause where no watch is kept', async () => {
    api.keepsWatches = false;
    slice('web-1', [['10.1.0.1']]);
    start();
    await eventually('it is told', () => errors.includes('watches end at once'));
    expect(last).toBe('10.1.0.1:8080');
    const watches = api.asked.filter((path) => path.includes('watch=true')).length;
    // Each further one has a pause before it, and is told.
    expect(watches).toBeLessThanOrEqual(5 + errors.length);
  });

  it('stay when the server refuses or is away, and it is asked again', async () => {
    slice('web-1', [['10.1.0.1']]);
    api.failNext = 403;
    start();
    await eventually('it is an error', () => errors[0] === 'status 403 instead of 200');
    await becomes('10.1.0.1:8080');
  });

  it('are listed anew when a watch is silent for longer than it was asked to last', async () => {
    const time = new FakeClock();
    slice('web-1', [['10.1.0.1']]);
    start({}, time);
    await eventually('it watches', () => api.watchCount === 1 && time.timerCount === 1);
    api.remove('endpointslices', 'web-1', false);
    time.advance(240_000);
    expect(lists).toEqual(['10.1.0.1:8080']);
    time.advance(15_000);
    await eventually('it is an error', () => errors.length === 1);
    expect(errors[0]).toContain('did not end when it should');
    time.advance(2_000);
    await becomes('');
  });

  it('are listed at once when somebody doubts them', async () => {
    slice('web-1', [['10.1.0.1']]);
    const watched = start();
    await eventually('it watches', () => api.watchCount === 1);
    api.remove('endpointslices', 'web-1', false);
    watched.lookAgain();
    await becomes('');
    await eventually('it watches again', () => api.watchCount === 1);
    expect(errors).toEqual([]);
  });

  it('are found by the number of a port of the service, whose name leads to that of the pods', async () => {
    service();
    slice('web-1', [['10.1.0.1']]);
    start({ port: 80 });
    await becomes('10.1.0.1:8080');
  });

  it('are not guessed where a port is not said, or is none of the service', async () => {
    service();
    slice('web-1', [['10.1.0.1']]);
    start({ port: null });
    await eventually('it is an error', () => errors.length > 0);
    expect(errors[0]).toBe('service web has several ports: name one');
    source?.stop();
    start({ port: 81 });
    await eventually('it is another error', () => errors.includes('the service has no port 81'));
  });
});

describe('a service as one target', () => {
  it('is its address, under its own name', async () => {
    service();
    start({ mode: 'service' });
    await becomes('10.96.0.7:80');
    service({ clusterIP: '10.96.0.8' });
    await becomes('10.96.0.8:80');
    api.remove('services', 'web');
    await becomes('');
  });

  it.each([
    ['headless', { clusterIP: 'None' }, 'take mode endpoints'],
    ['a name elsewhere', { type: 'ExternalName', externalName: 'evil.test' }, 'is not followed'],
  ])('is an error where it is %s', async (_, parts, problem) => {
    service(parts);
    start({ mode: 'service' });
    await eventually('it is an error', () => errors.some((one) => one.includes(problem)));
    expect(lists).toEqual([]);
  });
});

describe('the way to the API server', () => {
  it('is that of the pod, read anew each time', async () => {
    for (const [file, text] of [
      ['token', 'one\n'],
      ['ca.crt', 'CA'],
      ['namespace', 'shop'],
    ] as const) {
      writeFileSync(join(folder, file), text);
    }
    const env = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '6443' };
    expect(await accessInCluster(env, folder)).toEqual({
      url: 'https://10.96.0.1:6443',
      headers: { authorization: 'Bearer one' },
      ca: 'CA',
      namespace: 'shop',
    });
    writeFileSync(join(folder, 'token'), 'two');
    const { headers } = await accessInCluster(env, folder);
    expect(headers).toEqual({ authorization: 'Bearer two' });
    await expect(accessInCluster({}, folder)).rejects.toThrow('not in a cluster');
  });

  it.each([
    ['{ exec: { command: sh } }', 'https://127.0.0.1:1', 'runs a command, which is not done'],
    ['{ token: t }', 'http://10.0.0.1:80', 'in the clear'],
    ['{ token: t }', 'http://localhost.other.test', 'in the clear'],
    ['{ token: t }', 'http://127.other.test', 'in the clear'],
    ['{ token: t }', 'http://localhost@10.0.0.1', 'in the clear'],
    ['{ token: t }', 'HTTP://10.0.0.1:80', 'has no server'],
    ['{ tokenFile: missing }', 'https://127.0.0.1:1', 'ENOENT'],
  ])('is not taken where the user is %s', async (user, server, problem) => {
    const file = kubeconfig(user, server);
    await expect(accessByKubeconfig(file, '')).rejects.toThrow(problem);
    await expect(accessByKubeconfig(file, 'other')).rejects.toThrow('no context "other"');
  });
});

function kubeconfig(user: string, server: string): string {
  const file = join(folder, 'config');
  writeFileSync(
    file,
    `
apiVersion: v1
kind: Config
current-context: test
contexts: [{ name: test, context: { cluster: c, user: u, namespace: shop } }]
clusters: [{ name: c, cluster: { server: '${server}' } }]
users: [{ name: u, user: ${user} }]
`,
  );
  return file;
}

describeUnless(NO_KUBECTL, 'the API server that is played', () => {
  it('is one for kubectl, by the same kubeconfig', async () => {
    slice('web-1', [['10.1.0.1', { ready: true }]]);
    service();
    const file = kubeconfig('{ token: secret }', api.url);
    const home = { env: { HOME: folder, KUBECONFIG: file } };
    const names = ['get', 'endpointslices', '-l', 'kubernetes.io/service-name=web', '-o', 'name'];
    const listed = await runProgram('kubectl', names, home);
    expect(listed.stderr).toBe('');
    expect(listed.stdout.trim()).toBe('endpointslice.discovery.k8s.io/web-1');
    const ip = ['get', 'svc', 'web', '-o', 'jsonpath={.spec.clusterIP}'];
    expect((await runProgram('kubectl', ip, home)).stdout).toBe('10.96.0.7');
    const watching = runProgram(
      'kubectl',
      ['get', 'endpointslices', '--watch-only', '--request-timeout=20s', '-o', 'name'],
      home,
    );
    await eventually('kubectl watches', () => api.watchCount === 1);
    slice('web-2', [['10.1.0.2']]);
    api.endWatches(null);
    expect((await watching).stdout.trim()).toBe('endpointslice.discovery.k8s.io/web-2');
    expect(api.tokens.at(-1)).toBeUndefined();
    expect(await accessByKubeconfig(file, '')).toMatchObject({ url: api.url, namespace: 'shop' });
  });

  it('is one for kubectl with Ingresses, classes, secrets, status and events', async () => {
    const metadata = { name: 'web', namespace: 'other', uid: 'u' };
    api.put('ingressclasses', { metadata: { name: 'sluice' }, spec: { controller: 'a/b' } });
    api.put('ingresses', { metadata, spec: { ingressClassName: 'sluice' } });
    for (const name of ['pair', 'else']) api.put('secrets', { metadata: { name }, data: {} });
    const file = kubeconfig('{ token: secret }', api.url);
    const home = { env: { HOME: folder, KUBECONFIG: file } };
    const said = async (...args: readonly string[]) =>
      (await runProgram('kubectl', args, home)).stdout.trim();
    expect(await said('get', 'ing', '-A', '-o', 'name')).toBe('ingress.networking.k8s.io/web');
    expect(await said('get', 'ing', '-o', 'name')).toBe('');
    expect(await said('get', 'ingressclasses', '-o', 'name')).toBe(
      'ingressclass.networking.k8s.io/sluice',
    );
    const selector = ['--field-selector', 'metadata.name=pair'];
    expect(await said('get', 'secrets', ...selector, '-o', 'name')).toBe('secret/pair');
    const status = { loadBalancer: { ingress: [{ ip: '203.0.113.7' }] } };
    const patch = ['--subresource=status', '--type=merge', '-p', JSON.stringify({ status })];
    await said('patch', 'ing', 'web', '-n', 'other', ...patch);
    expect(api.find('ingresses', 'web', 'other')?.['status']).toEqual(status);
    const involvedObject = { kind: 'Ingress', name: 'web', namespace: 'shop', uid: 'u' };
    const event = join(folder, 'event.json');
    writeFileSync(
      event,
      JSON.stringify({
        ...{ apiVersion: 'v1', kind: 'Event', metadata: { name: 'e', namespace: 'shop' } },
        ...{ involvedObject, reason: 'Refused', message: 'because', type: 'Warning' },
      }),
    );
    await said('create', '--validate=false', '-f', event);
    expect(await said('get', 'events', '-o', 'jsonpath={.items[*].message}')).toBe('because');
  });
});
