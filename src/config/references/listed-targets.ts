/**
 * The two forms of `targets`: a list, or a source that says who they are.
 *
 * Thread: any (pure).
 */

/** The targets that are written in the configuration; none where they are found. */
export function listedTargets<T>(targets: readonly T[] | object | undefined): readonly T[] {
  return isList(targets) ? targets : [];
}

/** Where the targets are found; undefined: they are listed. */
export function discoveryIn<D extends object>(
  targets: readonly unknown[] | D | undefined,
): D | undefined {
  return targets === undefined || isList(targets) ? undefined : targets;
}

function isList<T>(targets: readonly T[] | object | undefined): targets is readonly T[] {
  return Array.isArray(targets);
}
