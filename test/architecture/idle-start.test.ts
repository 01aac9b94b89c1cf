/**
 * What a start loads when nothing asks for it: libraries that only some configurations need are
 * reached by dynamic imports alone.
 */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { projectRoot, readSources } from './source-scan.js';

const ENTRIES = [
  'main.ts',
  'gateway.ts',
  'worker/worker-task.ts',
  'coordinator/coordinator-thread.ts',
];

const byPath = new Map(
  readSources(join(projectRoot(), 'src')).map((file) => [file.path, file] as const),
);

/** Packages that the entry loads before it does anything. */
function packagesOf(entry: string): ReadonlySet<string> {
  const packages = new Set<string>();
  const reached = new Set<string>();
  const waiting = [entry];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    for (const edge of byPath.get(path)?.imports ?? []) {
      if (edge.kind !== 'static' || edge.isTypeOnly) continue;
      if (edge.target === '') packages.add(edge.specifier.split('/')[0] ?? '');
      else waiting.push(edge.target);
    }
  }
  return packages;
}

describe('a start', () => {
  it.each(ENTRIES)('of %s loads nothing about tokens or services that are asked', (entry) => {
    expect(byPath.has(entry)).toBe(true);
    const packages = packagesOf(entry);
    expect(packages.has('jose')).toBe(false);
    expect(packages.has('undici')).toBe(false);
    expect(packages.has('ajv')).toBe(false);
  });

  it('is seen to load what it loads', () => {
    expect(packagesOf('worker/worker-task.ts')).toContain('pino');
    expect(packagesOf('filters/authentication/jwt-authenticator.ts')).toContain('jose');
    expect(packagesOf('filters/authentication/http-caller.ts')).toContain('undici');
  });
});
