/**
 * The kinds of the Gateway API and what belongs to them: where each is listed, and what of its
 * objects goes to the loader.
 *
 * Thread: any (pure). Only what routes are made of goes on: a status that is written, or a label
 * that changes, makes no other version of the routes.
 */
import { type KubeJson, listAt, recordAt, textAt } from '../../config/kubernetes/kube-json.js';
import type { GatewayObjects } from '../../config/kubernetes-settings.js';

/** What is known of the Gateway API, but for secrets. */
export type WatchedGateways = Omit<GatewayObjects, 'tlsSecrets'>;

const GATEWAY_API = '/apis/gateway.networking.k8s.io';

/** Without these nothing is known of the Gateway API. */
export const MAIN_KINDS = ['gatewayclasses', 'gateways', 'httproutes'] as const;

/** `places`: '' for all namespaces, or a part of the path for each of them. */
export function pathsOfGatewayApi(
  places: readonly string[],
): readonly (readonly [string, readonly string[]])[] {
  const each = (root: string, kind: string) => places.map((place) => `${root}${place}/${kind}`);
  return [
    ['gatewayclasses', [`${GATEWAY_API}/v1/gatewayclasses`]],
    ['gateways', each(`${GATEWAY_API}/v1`, 'gateways')],
    ['httproutes', each(`${GATEWAY_API}/v1`, 'httproutes')],
    // All versions of the Gateway API have this one.
    ['referencegrants', each(`${GATEWAY_API}/v1beta1`, 'referencegrants')],
    ['namespaces', ['/api/v1/namespaces']],
    ['services', each('/api/v1', 'services')],
  ];
}

/** `objectsOf`: null, they were never read. */
export function gatewayObjectsOf(
  objectsOf: (kind: string) => ReadonlyMap<string, KubeJson> | null,
): WatchedGateways {
  const listed = (kind: string) => [...(objectsOf(kind)?.values() ?? [])].map(stripped);
  const [gateways, routes] = [listed('gateways'), listed('httproutes')];
  const services = objectsOf('services');
  const namespaces = objectsOf('namespaces');
  return {
    ...{ classes: listed('gatewayclasses'), gateways, routes, grants: listed('referencegrants') },
    namespaces: namespaces === null ? null : namespacesFor(gateways, namespaces),
    services: services === null ? null : servicesFor(routes, services),
  };
}

function stripped(object: KubeJson): KubeJson {
  const { namespace, name, uid, creationTimestamp, generation } = recordAt(object, 'metadata');
  const metadata = { namespace, name, uid, creationTimestamp, generation };
  return { metadata, spec: object['spec'] };
}

/** Their labels, where some listener selects by them. */
function namespacesFor(
  gateways: readonly KubeJson[],
  namespaces: ReadonlyMap<string, KubeJson>,
): KubeJson[] {
  const isSelecting = gateways.some((one) =>
    listAt(recordAt(one, 'spec'), 'listeners').some((listener) => {
      const allowed = recordAt(recordAt(listener, 'allowedRoutes'), 'namespaces');
      return textAt(allowed, 'from') === 'Selector';
    }),
  );
  if (!isSelecting) return [];
  return [...namespaces.values()].map((one) => {
    const { name, labels } = recordAt(one, 'metadata');
    return { metadata: { name, labels } };
  });
}

/** Those that routes name. */
function servicesFor(
  routes: readonly KubeJson[],
  services: ReadonlyMap<string, KubeJson>,
): KubeJson[] {
  const places = new Set(routes.flatMap(placesNamed));
  return [...places].sort().flatMap((place) => {
    const service = services.get(place);
    if (service === undefined) return [];
    const { namespace, name } = recordAt(service, 'metadata');
    const spec = recordAt(service, 'spec');
    const ports = listAt(spec, 'ports').map(({ port, appProtocol }) => ({ port, appProtocol }));
    return [{ metadata: { namespace, name }, spec: { type: spec['type'], ports } }];
  });
}

function placesNamed(route: KubeJson): string[] {
  const own = textAt(recordAt(route, 'metadata'), 'namespace');
  const rules = listAt(recordAt(route, 'spec'), 'rules');
  const refs = rules.flatMap((rule) => [
    ...listAt(rule, 'backendRefs'),
    ...listAt(rule, 'filters').map((one) => recordAt(recordAt(one, 'requestMirror'), 'backendRef')),
  ]);
  return refs.map((ref) => `${textAt(ref, 'namespace') || own}/${textAt(ref, 'name')}`);
}
