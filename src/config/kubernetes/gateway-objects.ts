/**
 * Objects of the Gateway API (gateway.networking.k8s.io/v1) as far as routes are made of them.
 *
 * Thread: any (pure). Reads forms; what the objects say together stands in gateway-listeners.ts and
 * http-route-parents.ts.
 */
import type { ObjectStatus } from '../kubernetes-settings.js';
import { type KubeJson, placeOf, recordAt, textAt } from './kube-json.js';

export const GATEWAY_GROUP = 'gateway.networking.k8s.io';

/** One of the conditions that a status has, without the time of its last change. */
export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
}

/** Why something is not as it should be. */
export interface Finding {
  readonly reason: string;
  readonly message: string;
}

const MESSAGE_CHARS_MAX = 1000;

export function generationOf(object: KubeJson): number {
  const { generation } = recordAt(object, 'metadata');
  return typeof generation === 'number' ? generation : 0;
}

/** `False` where something is found, else `True` with `reason`. */
export function conditionOf(
  type: string,
  found: Finding | null,
  { reason, generation }: { readonly reason: string; readonly generation: number },
): Condition {
  return {
    ...{ type, status: found === null ? 'True' : 'False' },
    reason: found?.reason ?? reason,
    message: (found?.message ?? '').slice(0, MESSAGE_CHARS_MAX),
    observedGeneration: generation,
  };
}

export function statusOf(
  kind: ObjectStatus['kind'],
  object: KubeJson,
  { controller, status }: Pick<ObjectStatus, 'controller' | 'status'>,
): ObjectStatus {
  const metadata = recordAt(object, 'metadata');
  return {
    ...{ controller, kind, status, generation: generationOf(object) },
    namespace: textAt(metadata, 'namespace'),
    name: textAt(metadata, 'name'),
    uid: textAt(metadata, 'uid'),
  };
}

/** What goes first: the older one, then the one whose namespace and name come first. */
export function byAge(one: KubeJson, other: KubeJson): number {
  const [left, right] = [ageKey(one), ageKey(other)];
  return left < right ? -1 : left > right ? 1 : 0;
}

function ageKey(object: KubeJson): string {
  return `${textAt(recordAt(object, 'metadata'), 'creationTimestamp')} ${placeOf(object)}`;
}
