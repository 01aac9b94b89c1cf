/**
 * Whether an object may refer to one of another namespace (ReferenceGrant).
 *
 * Thread: any (pure). Without a grant nothing is allowed.
 */
import { GATEWAY_GROUP } from './gateway-objects.js';
import { type KubeJson, listAt, recordAt, textAt } from './kube-json.js';

/** `to` is of the core group. */
export interface Reference {
  readonly from: { readonly kind: 'Gateway' | 'HTTPRoute'; readonly namespace: string };
  readonly to: {
    readonly kind: 'Secret' | 'Service';
    readonly namespace: string;
    readonly name: string;
  };
}

export function isGranted({ from, to }: Reference, grants: readonly KubeJson[]): boolean {
  if (from.namespace === to.namespace) return true;
  return grants.some((grant) => {
    if (textAt(recordAt(grant, 'metadata'), 'namespace') !== to.namespace) return false;
    const spec = recordAt(grant, 'spec');
    const isFrom = listAt(spec, 'from').some(
      (one) =>
        textAt(one, 'group') === GATEWAY_GROUP &&
        textAt(one, 'kind') === from.kind &&
        textAt(one, 'namespace') === from.namespace,
    );
    const isTo = listAt(spec, 'to').some(
      (one) =>
        textAt(one, 'group') === '' &&
        textAt(one, 'kind') === to.kind &&
        (one['name'] === undefined || one['name'] === '' || one['name'] === to.name),
    );
    return isFrom && isTo;
  });
}
