import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BundledModule, partsOf } from '../../../src/build/bundle-parts.js';

interface Made {
  readonly imports?: readonly string[];
  readonly later?: readonly string[];
  readonly length?: number;
}

function graph(modules: Readonly<Record<string, Made>>): (id: string) => BundledModule | null {
  return (id) => {
    const made = modules[id];
    if (made === undefined) return null;
    const { imports = [], later = [], length = 10 } = made;
    return { code: '.'.repeat(length), importedIds: imports, dynamicallyImportedIds: later };
  };
}

/** What a module leads to by imports that are not on demand, itself among it. */
function closureOf(root: string, moduleOf: (id: string) => BundledModule | null): Set<string> {
  const found = new Set([root]);
  for (const id of found) for (const next of moduleOf(id)?.importedIds ?? []) found.add(next);
  return found;
}

describe('the parts of a bundle', () => {
  it('are no longer than asked, unless one module is', () => {
    const moduleOf = graph({
      entry: { imports: ['a', 'b', 'c', 'd'] },
      a: { length: 40 },
      b: { length: 50 },
      c: { length: 200 },
      d: {},
    });
    const parts = partsOf('entry', moduleOf, 100);
    expect(Object.fromEntries(parts)).toEqual({
      a: 'part-1',
      b: 'part-1',
      c: 'part-2',
      d: 'part-3',
    });
  });

  it('never have the entry, which may wait for what it imports on demand', () => {
    const moduleOf = graph({
      entry: { imports: ['a'], later: ['b'] },
      a: {},
      b: { imports: ['a'] },
    });
    const parts = partsOf('entry', moduleOf, 100);
    expect(parts.has('entry')).toBe(false);
    expect(parts.get('a')).toBeDefined();
    expect(parts.get('b')).not.toBe(parts.get('a'));
  });

  it('leave what is outside of the bundle to the bundler', () => {
    const moduleOf = graph({ entry: { imports: ['node:fs', 'a'], later: ['ajv'] }, a: {} });
    expect([...partsOf('entry', moduleOf, 100).keys()]).toEqual(['a']);
  });

  it('import each other in one direction, and load nothing before it is needed', () => {
    const made = fc.record({
      imports: fc.array(fc.nat(19), { maxLength: 4 }),
      later: fc.array(fc.nat(19), { maxLength: 2 }),
      length: fc.integer({ min: 1, max: 60 }),
    });
    const property = fc.property(fc.array(made, { minLength: 2, maxLength: 20 }), (modules) => {
      const idsOf = (from: readonly number[]): string[] => from.map((at) => `m${at}`);
      const moduleOf = graph(
        Object.fromEntries(
          modules.map(({ imports, later, length }, at) => {
            // Modules import only such as come behind them, so that there are no circles.
            const behind = imports
              .map((step) => at + 1 + step)
              .filter((one) => one < modules.length);
            const onDemand = later.filter((one) => one < modules.length);
            return [`m${at}`, { imports: idsOf(behind), later: idsOf(onDemand), length }];
          }),
        ),
      );
      const parts = partsOf('m0', moduleOf, 100);
      const first = closureOf('m0', moduleOf);
      const edges = new Map<string, Set<string>>();
      for (const [id, part] of parts) {
        for (const next of moduleOf(id)?.importedIds ?? []) {
          const other = parts.get(next);
          if (other === undefined || other === part) continue;
          edges.set(part, (edges.get(part) ?? new Set()).add(other));
        }
        // A part is needed at once as a whole, or not at all.
        for (const [twin, same] of parts) {
          if (same === part) expect(first.has(twin)).toBe(first.has(id));
        }
      }
      for (const part of parts.values()) {
        const reached = new Set(edges.get(part));
        for (const one of reached) for (const next of edges.get(one) ?? []) reached.add(next);
        expect(reached.has(part)).toBe(false);
      }
    });
    fc.assert(property, { numRuns: 300 });
  });
});
