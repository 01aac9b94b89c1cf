/**
 * Which listeners of which Gateways an HTTPRoute is attached to, and for which hosts.
 *
 * Thread: any (pure).
 */
import { asciiHost } from '../references/route-match.js';
import type { GatewayListener, GatewayView } from './gateway-listeners.js';
import { type Finding, GATEWAY_GROUP } from './gateway-objects.js';
import { type KubeJson, listAt, recordAt, textAt, textsAt } from './kube-json.js';

export interface Attachment {
  readonly gateway: GatewayView;
  readonly listener: GatewayListener;
  /** '': every host. */
  readonly hosts: readonly string[];
}

/** One of `parentRefs` that means a Gateway of this controller. */
export interface RouteParent {
  readonly ref: KubeJson;
  /** null: the route is attached. */
  readonly accepted: Finding | null;
  readonly attachments: readonly Attachment[];
}

const ANY_HOST = '';

/** Parents that are something else, or of somebody else, are left out. */
export function parentsOf(
  route: KubeJson,
  gateways: readonly GatewayView[],
): readonly RouteParent[] {
  const namespace = textAt(recordAt(route, 'metadata'), 'namespace');
  const spec = recordAt(route, 'spec');
  const hosts = textsAt(spec, 'hostnames').flatMap((one) => asciiHost(one) ?? []);
  const hasHosts = textsAt(spec, 'hostnames').length > 0;
  return listAt(spec, 'parentRefs').flatMap((ref) => {
    if ((textAt(ref, 'kind') || 'Gateway') !== 'Gateway') return [];
    const { group } = ref;
    if (group !== undefined && group !== GATEWAY_GROUP) return [];
    const place = textAt(ref, 'namespace') || namespace;
    const gateway = gateways.find(
      (one) => one.namespace === place && one.name === textAt(ref, 'name'),
    );
    if (gateway === undefined) return [];
    return [parentOf(ref, gateway, { namespace, hosts: hasHosts ? hosts : [ANY_HOST] })];
  });
}

function parentOf(
  ref: KubeJson,
  gateway: GatewayView,
  { namespace, hosts }: { readonly namespace: string; readonly hosts: readonly string[] },
): RouteParent {
  const refused = (reason: string, message: string): RouteParent => ({
    ...{ ref, accepted: { reason, message }, attachments: [] },
  });
  const section = textAt(ref, 'sectionName');
  const { port } = ref;
  const meant = gateway.listeners.filter(
    (one) => (section === '' || one.name === section) && (port === undefined || one.port === port),
  );
  const place = `${gateway.namespace}/${gateway.name}`;
  if (meant.length === 0) {
    return refused('NoMatchingParent', `the Gateway ${place} has no such listener`);
  }
  const open = meant.filter((one) => one.kinds.includes('HTTPRoute') && one.takesFrom(namespace));
  if (open.length === 0) {
    const message = `no listener of ${place} allows HTTPRoutes of the namespace ${namespace}`;
    return refused('NotAllowedByListeners', message);
  }
  const attachments = open.flatMap((listener): Attachment[] => {
    const both = commonHosts(listener.hostname, hosts);
    return both.length === 0 ? [] : [{ gateway, listener, hosts: both }];
  });
  if (attachments.length === 0) {
    const message = `no listener of ${place} has a hostname in common with the route`;
    return refused('NoMatchingListenerHostname', message);
  }
  return { ref, accepted: null, attachments };
}

/** Hosts of the route that requests to this listener may name. */
function commonHosts(listener: string, hosts: readonly string[]): readonly string[] {
  const both = hosts.flatMap((host) => {
    if (covers(listener, host)) return [host];
    return covers(host, listener) ? [listener] : [];
  });
  return [...new Set(both)];
}

/** Whether every name that `inner` stands for is one of `outer`. A star is any number of labels. */
function covers(outer: string, inner: string): boolean {
  if (outer === ANY_HOST || outer === inner) return true;
  return outer.startsWith('*.') && inner.endsWith(outer.slice(1)) && inner !== outer.slice(1);
}
