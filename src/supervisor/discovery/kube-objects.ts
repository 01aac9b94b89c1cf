/**
 * What Services and EndpointSlices say of targets.
 *
 * Thread: supervisor (on the main thread). Pure.
 */
import { isObject } from '../../base/json-object.js';
import type { FoundTarget } from './address-source.js';
import { readHost, readPort } from './read-target-list.js';

export type KubeObject = Readonly<Record<string, unknown>>;

/** The name of a service's port: slices name ports, and their numbers are those of the pods. */
export function portNameOf(service: KubeObject, port: number): string {
  const found = portsOf(service).find((one) => one['port'] === port);
  if (found === undefined) throw new Error(`the service has no port ${port}`);
  return String(found['name'] ?? '');
}

/**
 * The endpoints of all slices of one service, each address once. `portName`: null where there is
 * only one port. Ready ones; where none is, those that still serve while they end (KEP-1669).
 */
export function sliceTargets(
  slices: readonly KubeObject[],
  portName: string | null,
  service: string,
): FoundTarget[] {
  const ready = new Map<string, FoundTarget>();
  const ending = new Map<string, FoundTarget>();
  for (const slice of slices) {
    // Names are not followed: they may lead anywhere.
    if (slice['addressType'] === 'FQDN') continue;
    const port = portOfSlice(slice, portName, service);
    if (port === null) continue;
    for (const endpoint of listIn(slice, 'endpoints')) {
      const group = groupOf(endpoint);
      if (group === null) continue;
      const [first] = Array.isArray(endpoint['addresses']) ? endpoint['addresses'] : [];
      const host = readHost(first, 'an endpoint');
      const target = { host, port, name: host, weight: 1, isBackup: false };
      (group === 'ready' ? ready : ending).set(`${host} ${port}`, target);
    }
  }
  return [...(ready.size > 0 ? ready : ending).values()];
}

/** The service as one target, under its own name: a mesh chooses the pod. */
export function serviceTargets(
  services: readonly KubeObject[],
  port: string | number | null,
): FoundTarget[] {
  return services.flatMap((service) => {
    const spec = recordIn(service, 'spec');
    const { name, namespace } = recordIn(service, 'metadata');
    if (spec['type'] === 'ExternalName')
      throw new Error('a service of ExternalName is not followed');
    const host = spec['clusterIP'];
    if (host === 'None' || host === undefined || host === '') {
      throw new Error('the service has no address of its own: take mode endpoints');
    }
    const found = portsOf(service).filter((one) => {
      return port === null || one['port'] === port || one['name'] === port;
    });
    if (found.length !== 1) throw new Error(`the service has ${found.length} such ports`);
    return [
      {
        host: readHost(host, 'the service'),
        port: readPort(found[0]?.['port'], 'the service'),
        name: readHost(`${String(name)}.${String(namespace)}`, 'the service'),
        weight: 1,
        isBackup: false,
      },
    ];
  });
}

/** `ready` that is not said means yes. */
function groupOf(endpoint: KubeObject): 'ready' | 'ending' | null {
  const conditions = isObject(endpoint['conditions']) ? endpoint['conditions'] : {};
  const { ready, serving, terminating } = conditions;
  if (ready !== false) return 'ready';
  return serving === true && terminating === true ? 'ending' : null;
}

function portOfSlice(slice: KubeObject, name: string | null, service: string): number | null {
  const ports = listIn(slice, 'ports');
  // A slice without ports has no endpoints either.
  if (ports.length === 0) return null;
  if (name === null && ports.length > 1) {
    throw new Error(`service ${service} has several ports: name one`);
  }
  const found = name === null ? ports[0] : ports.find((one) => String(one['name'] ?? '') === name);
  return found === undefined ? null : readPort(found['port'], 'a slice');
}

function portsOf(service: KubeObject): KubeObject[] {
  return listIn(recordIn(service, 'spec'), 'ports');
}

function recordIn(object: KubeObject, field: string): KubeObject {
  const value = object[field];
  return isObject(value) ? value : {};
}

function listIn(object: KubeObject, field: string): KubeObject[] {
  const value = object[field];
  return Array.isArray(value) ? value.filter(isObject) : [];
}
