/** Objects of the Gateway API as tests write them: what is not said is as usual. */
import type { KubeJson } from '../../src/config/kubernetes/kube-json.js';
import type { GatewayObjects } from '../../src/config/kubernetes-settings.js';

export const INFRA = 'infra';
export const GATEWAY_CLASS: KubeJson = {
  metadata: { name: 'sluice', uid: 'uid-class', generation: 1 },
  spec: { controllerName: 'sluice.dev/gateway-controller' },
};

export interface Place {
  readonly name?: string;
  readonly namespace?: string;
  readonly created?: string;
  readonly generation?: number;
}

function metadataOf(kind: string, place: Place): KubeJson {
  const {
    name = kind,
    namespace = INFRA,
    created = '2026-01-01T00:00:00Z',
    generation = 1,
  } = place;
  const uid = `uid-${kind}-${namespace}-${name}`;
  return { name, namespace, uid, creationTimestamp: created, generation };
}

export function httpListener(parts: KubeJson = {}): KubeJson {
  return { name: 'http', port: 80, protocol: 'HTTP', ...parts };
}

export function gateway(
  listeners: readonly KubeJson[] = [httpListener()],
  { spec = {}, ...place }: Place & { readonly spec?: KubeJson } = {},
): KubeJson {
  return {
    metadata: metadataOf('gateway', place),
    spec: { gatewayClassName: 'sluice', listeners, ...spec },
  };
}

/** Attached to `gateway` of the namespace where nothing is said of `parentRefs`. */
export function httpRoute(
  rules: readonly KubeJson[],
  { spec = {}, ...place }: Place & { readonly spec?: KubeJson } = {},
): KubeJson {
  return {
    metadata: metadataOf('route', place),
    spec: { parentRefs: [{ name: 'gateway', namespace: INFRA }], rules, ...spec },
  };
}

export function backend(name: string, parts: KubeJson = {}): KubeJson {
  return { name, port: 8080, ...parts };
}

export function pathMatch(value: string, type = 'PathPrefix'): KubeJson {
  return { path: { type, value } };
}

export function service(name: string, namespace = INFRA, port: KubeJson = {}): KubeJson {
  return { metadata: { namespace, name }, spec: { ports: [{ port: 8080, ...port }] } };
}

export function grant(namespace: string, from: KubeJson, to: KubeJson): KubeJson {
  const group = 'gateway.networking.k8s.io';
  return {
    metadata: { namespace, name: 'grant' },
    spec: { from: [{ group, ...from }], to: [{ group: '', ...to }] },
  };
}

/** With the services `v1`, `v2` and `v3`, and `web` of another namespace. */
export function gatewayObjects(parts: Partial<GatewayObjects> = {}): GatewayObjects {
  return {
    classes: [GATEWAY_CLASS],
    gateways: [gateway()],
    routes: [],
    grants: [],
    namespaces: [],
    services: [service('v1'), service('v2'), service('v3'), service('web', 'other')],
    tlsSecrets: [],
    ...parts,
  };
}
