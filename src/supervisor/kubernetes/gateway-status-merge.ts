/**
 * Puts what this controller says of an object of the Gateway API into the status that it has.
 *
 * Thread: any (pure). Invariants: what others have written stays; a condition keeps the time of its
 * last change until its status changes; where nothing is new there is nothing to write.
 */
import { isDeepStrictEqual } from 'node:util';
import { type KubeJson, listAt, recordAt, textAt } from '../../config/kubernetes/kube-json.js';
import type { ObjectStatus } from '../../config/kubernetes-settings.js';

/** Conditions that only controllers write: where this one does not say them they go. */
const OWN_TYPES = ['Accepted', 'Programmed', 'ResolvedRefs', 'Conflicted', 'PartiallyInvalid'];

/** The parts of the status that change; null: none does. `now`: RFC 3339. */
export function mergedStatus(
  { kind, controller, status: wanted }: ObjectStatus,
  object: KubeJson,
  now: string,
): KubeJson | null {
  const there = recordAt(object, 'status');
  const made =
    kind === 'httproutes'
      ? { parents: mergedParents(controller, { wanted, there, now }) }
      : { ...wanted, ...mergedGateway(wanted, there, now) };
  const isSame = Object.entries(made).every(([key, value]) => isSameValue(there[key], value));
  return isSame ? null : made;
}

/** Those of others, and then its own. */
function mergedParents(
  controller: string,
  {
    wanted,
    there,
    now,
  }: { readonly wanted: KubeJson; readonly there: KubeJson; readonly now: string },
): readonly KubeJson[] {
  const own = listAt(wanted, 'parents');
  const all = listAt(there, 'parents');
  const others = all.filter((one) => textAt(one, 'controllerName') !== controller);
  const known = all.filter((one) => textAt(one, 'controllerName') === controller);
  const merged = own.map((parent) => {
    const before = known.find((one) => isDeepStrictEqual(one['parentRef'], parent['parentRef']));
    return { ...parent, conditions: mergedConditions(parent, before ?? {}, now) };
  });
  return [...others, ...merged];
}

function mergedGateway(wanted: KubeJson, there: KubeJson, now: string): KubeJson {
  const conditions = mergedConditions(wanted, there, now);
  if (wanted['listeners'] === undefined) return { conditions };
  const known = listAt(there, 'listeners');
  const listeners = listAt(wanted, 'listeners').map((one) => {
    const before = known.find(({ name }) => name === one['name']) ?? {};
    return { ...one, conditions: mergedConditions(one, before, now) };
  });
  return { conditions, listeners };
}

/** Of `conditions` of both. */
function mergedConditions(wanted: KubeJson, there: KubeJson, now: string): readonly KubeJson[] {
  const known = listAt(there, 'conditions');
  const own = listAt(wanted, 'conditions').map((condition) => {
    const before = known.find(({ type }) => type === condition['type']);
    const { status, lastTransitionTime = now } = before ?? {};
    const isSame = status === condition['status'];
    return { ...condition, lastTransitionTime: isSame ? lastTransitionTime : now };
  });
  const others = known.filter((one) => !OWN_TYPES.includes(textAt(one, 'type')));
  return [...own, ...others];
}

/** Nothing is the same as an empty list. */
function isSameValue(there: unknown, wanted: unknown): boolean {
  return isDeepStrictEqual(there ?? [], wanted);
}
