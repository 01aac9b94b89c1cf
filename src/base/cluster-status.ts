/**
 * What is known of objects of a Kubernetes cluster that become routes.
 *
 * Thread: any (pure). Types only: whoever watches the cluster makes it, pages show it.
 */

/** Objects of a cluster that become routes. */
export interface ClusterStatus {
  /** `waiting`: nothing is known of the objects yet; `copy`: they came from the disk. */
  readonly state: 'waiting' | 'copy' | 'watching';
  /** What cannot be read, by its kind, and why. */
  readonly troubles: Readonly<Record<string, string>>;
  readonly used: number;
  readonly refused: number;
  /** Of the objects that are refused, or of which something is not as it says. */
  readonly ingresses: readonly {
    readonly name: string;
    readonly state: 'used' | 'before' | 'refused';
    readonly reasons: readonly string[];
    readonly notes: readonly string[];
  }[];
  /** Certificates that are not used: the secret, and why. */
  readonly certificates: Readonly<Record<string, string>>;
  /** Absent: the Gateway API is not read. */
  readonly gatewayApi?: GatewayApiStatus;
}

/** Objects of the Gateway API. */
export interface GatewayApiStatus {
  /** All that were looked at, and those of which nothing is wrong. */
  readonly objects: number;
  readonly sound: number;
  /** The others, by kind, namespace and name. */
  readonly troubled: readonly { readonly name: string; readonly problems: readonly string[] }[];
}
