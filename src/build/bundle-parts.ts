/**
 * Cuts a bundle into parts, since V8 reads a file as one: the syntax tree of a long one is several
 * times its text, and what it took from the allocator stays with the thread.
 *
 * Thread: any (pure), in the process of the build.
 * Invariant: parts import each other in one direction only, so that what a module declares is there
 * when another one uses it at its start. Two modules are in the same part only when the same
 * entries and dynamic imports lead to them, so that nothing is loaded that was not loaded before;
 * what leads to a module leads to its imports as well, and of those that the same ones lead to,
 * earlier parts have what later parts import.
 */

/** What leads to a module that the entry itself needs. */
const ENTRY = '0,';

/** What the bundler knows of a module. */
export interface BundledModule {
  readonly code: string | null;
  readonly importedIds: readonly string[];
  readonly dynamicallyImportedIds: readonly string[];
}

/**
 * The part of each module, by the ids of modules. Modules without one are left to the bundler.
 *
 * @param partLength how many characters of text a part may have, if it is more than one module.
 */
export function partsOf(
  entry: string,
  moduleOf: (id: string) => BundledModule | null,
  partLength: number,
): ReadonlyMap<string, string> {
  const roots = [entry];
  const order = new Set<string>();
  const rootsOf = new Map<string, string>();
  for (const [at, root] of roots.entries()) {
    const reached = new Set<string>();
    visit(root, moduleOf, reached);
    for (const id of reached) {
      order.add(id);
      // What the entry loads is there, whoever asks for it later.
      const found = rootsOf.get(id) ?? '';
      if (found !== ENTRY) rootsOf.set(id, `${found}${at},`);
      for (const next of moduleOf(id)?.dynamicallyImportedIds ?? []) {
        if (!roots.includes(next) && moduleOf(next) !== null) roots.push(next);
      }
    }
  }
  // The entry may wait for what it imports on demand, and so must not be in a part that it needs.
  order.delete(entry);
  return cut([...order], rootsOf, (id) => moduleOf(id)?.code?.length ?? 0, partLength);
}

/** Adds a module behind all that it imports. */
function visit(
  id: string,
  moduleOf: (id: string) => BundledModule | null,
  reached: Set<string>,
  seen = new Set<string>(),
): void {
  const found = moduleOf(id);
  if (seen.has(id) || found === null) return;
  seen.add(id);
  for (const next of found.importedIds) visit(next, moduleOf, reached, seen);
  reached.add(id);
}

function cut(
  order: readonly string[],
  rootsOf: ReadonlyMap<string, string>,
  lengthOf: (id: string) => number,
  partLength: number,
): ReadonlyMap<string, string> {
  const groups = new Map<string, string[]>();
  for (const id of order) {
    const roots = rootsOf.get(id) ?? '';
    const group = groups.get(roots);
    if (group === undefined) groups.set(roots, [id]);
    else group.push(id);
  }
  const parts = new Map<string, string>();
  let part = 0;
  for (const group of groups.values()) {
    part += 1;
    let length = 0;
    for (const id of group) {
      length += lengthOf(id);
      if (length > partLength) {
        part += 1;
        length = lengthOf(id);
      }
      parts.set(id, `part-${part}`);
    }
  }
  return parts;
}
