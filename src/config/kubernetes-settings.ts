/**
 * What of Kubernetes becomes routes, as threads have it; and what a loader is told of the cluster.
 *
 * Thread: any (pure). Types only.
 */

/** An object of Kubernetes as it came. */
export type KubeJson = Readonly<Record<string, unknown>>;

export interface CompiledKubernetes {
  /** Empty: the service account of the pod. */
  readonly kubeconfig: string;
  /** Empty: the current one. */
  readonly context: string;
  /** Empty: all. */
  readonly namespaces: readonly string[];
  /** Objects of the kind Ingress are read. */
  readonly hasIngress: boolean;
  readonly ingress: CompiledIngress;
  /** null: objects of the Gateway API are not read. */
  readonly gatewayApi: CompiledGatewayApi | null;
}

export interface CompiledGatewayApi {
  readonly controller: string;
  /** Addresses and names that are written into the status of Gateways; empty: none are. */
  readonly publish: readonly string[];
  /** Names of listeners by the ports of Gateways that they stand for. */
  readonly ports: readonly { readonly port: number; readonly listener: string }[];
  /** Services that routes lead to, at most. */
  readonly servicesMax: number;
  /** Endpoints of one service, at most. */
  readonly targetsMax: number;
}

export interface CompiledIngress {
  readonly className: string;
  readonly controller: string;
  /** Addresses and names that are written into the status; empty: nothing is. */
  readonly publish: readonly string[];
  /** Services that routes lead to, at most. */
  readonly servicesMax: number;
  /** Endpoints of one service, at most. */
  readonly targetsMax: number;
  /** Empty: a random one for each process. A secret. */
  readonly stickySecret: string;
}

/** An object, and the version of it that was used last; null: none was, or it is this one. */
export interface OfferedIngress {
  readonly object: KubeJson;
  readonly before: KubeJson | null;
}

/** Users of basic authentication, out of a secret. */
export interface UsersSecret {
  readonly namespace: string;
  readonly name: string;
  /** The text of its key `auth`; null: it has none, or cannot be read. */
  readonly auth: string | null;
}

/** Everything of the cluster that routes are made of. Can be cloned. */
export interface ClusterObjects {
  readonly ingresses: readonly OfferedIngress[];
  /** null: they cannot be read. */
  readonly classes: readonly KubeJson[] | null;
  readonly secrets: readonly UsersSecret[];
  /** Of the Gateway API; absent: they are not read, or not known yet. */
  readonly gateway?: GatewayObjects;
}

/** Objects of the Gateway API, and what they refer to. */
export interface GatewayObjects {
  readonly classes: readonly KubeJson[];
  readonly gateways: readonly KubeJson[];
  readonly routes: readonly KubeJson[];
  readonly grants: readonly KubeJson[];
  /** null: they cannot be read. */
  readonly namespaces: readonly KubeJson[] | null;
  /** Those that routes name; null: they cannot be read. */
  readonly services: readonly KubeJson[] | null;
  /** Secrets of certificates by `NAMESPACE/NAME`, and why they are of no use; '': they are. */
  readonly tlsSecrets: readonly { readonly place: string; readonly problem: string }[];
}

export const NO_OBJECTS: ClusterObjects = { ingresses: [], classes: [], secrets: [] };

/** What became of an object. */
export interface IngressOutcome {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** `before`: it is refused, and the version of it that was used before still is. */
  readonly state: 'used' | 'before' | 'refused';
  /** Why it is refused. */
  readonly reasons: readonly string[];
  /** What of it changes nothing, or belongs to another one. */
  readonly notes: readonly string[];
  readonly routes: number;
}

/** A certificate that is wanted. The ones that stand first go before. */
export interface WantedCertificate {
  readonly namespace: string;
  readonly secret: string;
  /** Empty: all names that it is for. */
  readonly hosts: readonly string[];
}

export interface IngressReport {
  /** Of this controller, by age. */
  readonly objects: readonly IngressOutcome[];
  readonly certificates: readonly WantedCertificate[];
  /** What is to be said of objects of the Gateway API. */
  readonly statuses: readonly ObjectStatus[];
}

/** The status of an object of the Gateway API, without the times of its conditions. */
export interface ObjectStatus {
  /** Whose words these are. */
  readonly controller: string;
  readonly kind: 'gatewayclasses' | 'gateways' | 'httproutes';
  /** '': it has none. */
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Of the version that is meant. */
  readonly generation: number;
  readonly status: KubeJson;
}
