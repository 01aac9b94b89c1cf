/**
 * Targets from Kubernetes: the endpoints of a service, or the service itself.
 *
 * Thread: supervisor (on the main thread). An endpoint that moves from one slice to another is not
 * lost in between: events are taken together (kube-collection.ts).
 */
import type { CompiledSource } from '../../config/compiled-discovery.js';
import type { AddressSource, FoundTarget, SourceListener } from './address-source.js';
import type { KubeAccess } from './kube-access.js';
import { type CollectionParts, getObject, KubeCollection } from './kube-collection.js';
import { type KubeObject, portNameOf, serviceTargets, sliceTargets } from './kube-objects.js';

export type KubernetesSettings = Extract<CompiledSource, { kind: 'kubernetes' }>;

export type KubernetesParts = Pick<CollectionParts, 'clock' | 'random' | 'access'>;

export class KubernetesSource implements AddressSource {
  private readonly collection: KubeCollection;
  private portName: string | null = null;

  constructor(
    private readonly settings: KubernetesSettings,
    parts: KubernetesParts,
    private readonly listener: SourceListener,
  ) {
    this.collection = new KubeCollection(
      {
        ...{ clock: parts.clock, random: parts.random, access: parts.access },
        path: (access) => this.path(access),
        prepare: (access, signal) => this.findPort(access, signal),
      },
      {
        onObjects: (objects) => this.publish([...objects.values()]),
        onError: (reason) => listener.onError(reason),
      },
    );
  }

  start(): void {
    this.collection.start();
  }

  lookAgain(): void {
    this.collection.lookAgain();
  }

  stop(): void {
    this.collection.stop();
  }

  /** Slices name ports: a number is one of the service. */
  private async findPort(access: KubeAccess, signal: AbortSignal): Promise<void> {
    const { mode, service, port } = this.settings;
    if (mode !== 'endpoints' || typeof port !== 'number') return;
    const path = `${this.folder(access, 'v1')}/services/${encodeURIComponent(service)}`;
    this.portName = portNameOf(await getObject(access, path, signal), port);
  }

  private publish(objects: readonly KubeObject[]): void {
    try {
      this.listener.onTargets(this.targetsIn(objects));
    } catch (error) {
      this.listener.onError(error instanceof Error ? error.message : String(error));
    }
  }

  private targetsIn(objects: readonly KubeObject[]): FoundTarget[] {
    const { mode, port, service } = this.settings;
    if (mode === 'service') return serviceTargets(objects, port);
    return sliceTargets(
      objects,
      this.portName ?? (typeof port === 'string' ? port : null),
      service,
    );
  }

  private folder({ namespace }: KubeAccess, api: string): string {
    const own = encodeURIComponent(this.settings.namespace || namespace);
    const root = api === 'v1' ? '/api/v1' : `/apis/${api}`;
    return `${root}/namespaces/${own}`;
  }

  /** Path and query of what is listed and watched. */
  private path(access: KubeAccess): string {
    const { mode, service } = this.settings;
    if (mode === 'service') {
      const field = encodeURIComponent(`metadata.name=${service}`);
      return `${this.folder(access, 'v1')}/services?fieldSelector=${field}`;
    }
    const label = encodeURIComponent(`kubernetes.io/service-name=${service}`);
    return `${this.folder(access, 'discovery.k8s.io/v1')}/endpointslices?labelSelector=${label}`;
  }
}
