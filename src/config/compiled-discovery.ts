/**
 * Where the targets of an upstream are found, as threads have it.
 *
 * Thread: any (pure). A part of compiled-config.ts.
 */

/** What is asked for targets. */
export type CompiledSource =
  | { readonly kind: 'file'; readonly path: string }
  | {
      readonly kind: 'http';
      readonly url: string;
      readonly intervalMs: number;
      /** Empty: none is sent. */
      readonly token: string;
    }
  | {
      readonly kind: 'dns';
      readonly name: string;
      readonly type: 'A' | 'AAAA' | 'SRV';
      /** 0: SRV records say it. */
      readonly port: number;
      /** null: those of the system. */
      readonly server: { readonly host: string; readonly port: number } | null;
    }
  | {
      readonly kind: 'consul';
      readonly url: string;
      readonly service: string;
      /** Instances have all of them. */
      readonly tags: readonly string[];
      /** Empty: that of the agent. */
      readonly datacenter: string;
      /** Empty: none is sent. */
      readonly token: string;
    }
  | {
      readonly kind: 'kubernetes';
      readonly service: string;
      /** Empty: that of the pod, or of the context. */
      readonly namespace: string;
      /** Name or number of the service's port; null: its only one. */
      readonly port: string | number | null;
      readonly mode: 'endpoints' | 'service';
      /** Empty: the service account of the pod. */
      readonly kubeconfig: string;
      /** Empty: the current one. */
      readonly context: string;
    };

export interface CompiledDiscovery {
  readonly source: CompiledSource;
  /** Its targets are spoken with over TLS. */
  readonly isTls: boolean;
  /** Targets that are used at once. */
  readonly targetsMax: number;
  /** A sudden loss of more than half of the targets is believed at once. */
  readonly trustsLoss: boolean;
}

/** The source in words, without secrets. */
export function sourceInWords(source: CompiledSource): string {
  switch (source.kind) {
    case 'file':
      return `file ${source.path}`;
    case 'http': {
      const { origin, pathname } = new URL(source.url);
      return `http ${origin}${pathname}`;
    }
    case 'dns':
      return `dns ${source.type} ${source.name}`;
    case 'consul':
      return `consul ${source.service} at ${new URL(source.url).origin}`;
    case 'kubernetes': {
      const { namespace, service, mode } = source;
      return `kubernetes ${mode} of ${namespace === '' ? '' : `${namespace}/`}${service}`;
    }
    default:
      return source satisfies never;
  }
}
