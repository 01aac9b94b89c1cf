/** The configuration of compression: what it is compiled to, and what is wrong with it. */
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../../src/config/check/config-error.js';
import { hasCoding } from '../../../src/filters/content-codings.js';
import { compileConfig } from '../../support/compile-config.js';

type Value = boolean | Readonly<Record<string, unknown>>;

function configOf(top: Value | undefined, route: Value | undefined): Record<string, unknown> {
  return {
    ...(top !== undefined && { compression: top }),
    upstreams: { api: { targets: [{ url: 'http://127.0.0.1:8001' }] } },
    routes: [
      {
        ...{ name: 'r', match: { path: '/*' }, upstream: 'api' },
        ...(route !== undefined && { compression: route }),
      },
    ],
  };
}

function issuesOf(config: Record<string, unknown>): readonly string[] {
  try {
    compileConfig(config);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n');
    throw error;
  }
}

function planOf(top?: Value, route?: Value) {
  return compileConfig(configOf(top, route)).routes[0]?.filters.compression;
}

describe('compression', () => {
  it('is off unless it is asked for, and a route has the last word', () => {
    expect(planOf()).toBeUndefined();
    expect(planOf(true, false)).toBeUndefined();
    expect(planOf(false, true)?.minBytes).toBe(1024);
    expect(planOf({ minBytes: 10 })?.minBytes).toBe(10);
    expect(planOf({ minBytes: 10 }, true)?.minBytes).toBe(1024);
  });

  it('offers what this Node.js has, and leaves out types that stay open or are compressed', () => {
    const plan = planOf(true);
    expect(plan?.codings).toEqual(hasCoding('zstd') ? ['zstd', 'br', 'gzip'] : ['br', 'gzip']);
    expect(plan?.types).toContain('application/json');
    for (const type of ['text/*', 'text/event-stream', 'image/png']) {
      expect(plan?.types).not.toContain(type);
    }
    expect(planOf({ level: { gzip: 1 } })?.levels).toEqual({ gzip: 1, br: 4, zstd: 3 });
    expect(planOf({ encodings: ['gzip'] })?.codings).toEqual(['gzip']);
  });

  it.each([
    [{ encodings: ['deflate'] }, 'routes[0].compression.encodings[0]'],
    [{ encodings: [] }, 'routes[0].compression.encodings'],
    [{ types: ['json'] }, 'routes[0].compression.types[0]'],
    [{ types: ['*/*'] }, 'routes[0].compression.types[0]'],
    [{ types: ['text/'] }, 'routes[0].compression.types[0]'],
    [{ types: ['a/*b*'] }, 'routes[0].compression.types[0]'],
    [{ level: { gzip: 10 } }, 'routes[0].compression.level.gzip'],
    [{ minBytes: 0 }, 'routes[0].compression.minBytes'],
  ])('%j is a mistake at %s', (route, place) => {
    expect(issuesOf(configOf(undefined, route)).join('\n')).toContain(place);
  });

  it('names zstd in vain where Node.js has none', () => {
    const issues = issuesOf(configOf({ encodings: ['zstd', 'gzip'] }, undefined));
    const expected = `compression.encodings[0]: Node.js ${process.version} has no zstd: it comes with 22.15`;
    expect(issues).toEqual(hasCoding('zstd') ? [] : [expected]);
  });
});
