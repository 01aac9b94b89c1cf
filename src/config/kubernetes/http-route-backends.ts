/**
 * Backends of HTTPRoutes: services as upstreams, or why they are none.
 *
 * Thread: any (pure). Routes with the same service, port and timeout share an upstream.
 */
import type { UpstreamConfig } from '../gateway-config.js';
import type { CompiledKubernetes, GatewayObjects } from '../kubernetes-settings.js';
import type { Finding } from './gateway-objects.js';
import { shortHash } from './ingress-routes.js';
import { type KubeJson, listAt, recordAt, textAt } from './kube-json.js';
import { isGranted } from './reference-grants.js';
import type { NamedUpstream } from './service-upstream.js';

export interface BackendContext {
  readonly objects: GatewayObjects;
  readonly settings: CompiledKubernetes;
  readonly targetsMax: number;
}

const NAME_CHARS_MAX = 48;
/** What targets are spoken to with, by `appProtocol` of a port. */
const PROTOCOLS: ReadonlyMap<string, 'http1' | 'h2c'> = new Map([
  ['', 'http1'],
  ['http', 'http1'],
  ['kubernetes.io/ws', 'http1'],
  ['kubernetes.io/h2c', 'h2c'],
]);

/** Of routes in `namespace`. `timeoutMs`: 0, that of upstreams. */
export function backendOf(
  ref: KubeJson,
  { namespace, timeoutMs }: { readonly namespace: string; readonly timeoutMs: number },
  context: BackendContext,
): NamedUpstream | Finding {
  const [kind, group] = [textAt(ref, 'kind') || 'Service', textAt(ref, 'group')];
  const service = textAt(ref, 'name');
  if (kind !== 'Service' || group !== '') {
    return { reason: 'InvalidKind', message: `${group}/${kind} ${service} is no Service` };
  }
  const place = textAt(ref, 'namespace') || namespace;
  const from = { kind: 'HTTPRoute', namespace } as const;
  const to = { kind: 'Service', namespace: place, name: service } as const;
  if (!isGranted({ from, to }, context.objects.grants)) {
    const message = `no ReferenceGrant in ${place} allows the service ${service}`;
    return { reason: 'RefNotPermitted', message };
  }
  const { port } = ref;
  if (typeof port !== 'number') return notFound(`the service ${place}/${service} needs a port`);
  const protocol = protocolOf({ place, service, port }, context.objects);
  if (typeof protocol !== 'string') return protocol;
  return upstreamOf({ place, service, port }, { protocol, timeoutMs }, context);
}

interface ServicePort {
  readonly place: string;
  readonly service: string;
  readonly port: number;
}

/** Services that cannot be read count as being there. */
function protocolOf(
  { place, service, port }: ServicePort,
  { services }: GatewayObjects,
): 'http1' | 'h2c' | Finding {
  if (services === null) return 'http1';
  const found = services.find((one) => {
    const { namespace, name } = recordAt(one, 'metadata');
    return namespace === place && name === service;
  });
  if (found === undefined) return notFound(`there is no service ${place}/${service}`);
  const spec = recordAt(found, 'spec');
  if (textAt(spec, 'type') === 'ExternalName') {
    return notFound(`the service ${place}/${service} is an ExternalName, which is not supported`);
  }
  const own = listAt(spec, 'ports').find((one) => one['port'] === port);
  if (own === undefined) return notFound(`the service ${place}/${service} has no port ${port}`);
  const asked = textAt(own, 'appProtocol');
  const message = `the protocol ${asked} of ${place}/${service} is not supported`;
  return PROTOCOLS.get(asked) ?? { reason: 'UnsupportedProtocol', message };
}

function notFound(message: string): Finding {
  return { reason: 'BackendNotFound', message };
}

function upstreamOf(
  { place, service, port }: ServicePort,
  { protocol, timeoutMs }: { readonly protocol: 'http1' | 'h2c'; readonly timeoutMs: number },
  { settings: { kubeconfig, context }, targetsMax }: BackendContext,
): NamedUpstream {
  const config: UpstreamConfig = {
    targets: {
      kubernetes: {
        ...{ service, namespace: place, port },
        ...(kubeconfig !== '' && { kubeconfig }),
        ...(context !== '' && { context }),
      },
      maxTargets: targetsMax,
    },
    preserveHost: true,
    ...(protocol !== 'http1' && { protocol }),
    ...(timeoutMs > 0 && { timeouts: { response: `${timeoutMs}ms` } }),
  };
  const plain = `k8s-${place}-${service}-${port}`.replace(/[^A-Za-z0-9_-]/g, '-');
  const hash = shortHash(place, service, port, config);
  return { name: `${plain.slice(0, NAME_CHARS_MAX)}-${hash}`, config };
}
