/** When objects of a cluster that were refused are tried again. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { CompiledKubernetes } from '../../../../src/config/kubernetes-settings.js';
import { ClusterFollower } from '../../../../src/supervisor/kubernetes/cluster-follower.js';
import type { ReloadResult } from '../../../../src/supervisor/reloader.js';
import { eventually } from '../../../support/eventually.js';
import { FakeClock } from '../../../support/fake-clock.js';
import { FakeKubeApi } from '../../../support/fake-kube-api.js';

const RETRY_MS = 15_000;
const SETTINGS: CompiledKubernetes = {
  ...{ kubeconfig: '', context: '', namespaces: [], hasIngress: true, gatewayApi: null },
  ingress: {
    ...{ className: 'sluice', controller: 'sluice.dev/ingress', publish: [] },
    ...{ servicesMax: 100, targetsMax: 100, stickySecret: '' },
  },
};

let api: FakeKubeApi;
let clock: FakeClock;
let follower: ClusterFollower;
let answer: ReloadResult;
let reloads: number;

beforeEach(async () => {
  api = await FakeKubeApi.start();
  clock = new FakeClock();
  reloads = 0;
  answer = { outcome: 'refused', reasons: ['a port is in use'] };
  follower = new ClusterFollower({
    ...{ settings: SETTINGS, clock, random: () => 0.5, copy: null, log: () => {} },
    access: async () => ({ url: api.url, headers: {}, namespace: 'shop' }),
  });
  putIngress('/a');
  await follower.start(10_000);
  follower.attach({
    reload: async () => {
      follower.objects();
      reloads += 1;
      return answer;
    },
    ...{ useCertificates: () => {}, log: () => {} },
  });
});

afterEach(async () => {
  follower.stop();
  await api.stop();
});

function putIngress(path: string): void {
  const backend = { service: { name: 'api', port: { number: 80 } } };
  const paths = [{ path, pathType: 'Prefix', backend }];
  api.put('ingresses', {
    metadata: { name: 'web', namespace: 'shop', uid: 'uid-web' },
    spec: { ingressClassName: 'sluice', rules: [{ http: { paths } }] },
  });
}

/** The refusal is known once its promise has been heard. */
async function passRetry(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
  clock.advance(RETRY_MS);
}

it('tries what was refused again, but not what a trial has shown to be worse', async () => {
  follower.started();
  expect(reloads).toBe(1);
  answer = { outcome: 'refused', reasons: ['on trial: worse'], wasJudged: true };
  await passRetry();
  expect(reloads).toBe(2);
  await passRetry();
  await passRetry();
  expect(reloads).toBe(2);
  putIngress('/b');
  await eventually('another object is tried', () => {
    // A watch that was silent for so long is asked for again.
    clock.advance(1000);
    return reloads === 3;
  });
});
