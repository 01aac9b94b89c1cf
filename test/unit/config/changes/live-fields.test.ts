import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isLive, restartReasons } from '../../../../src/config/changes/live-fields.js';
import { CONFIG_SCHEMA } from '../../../../src/config/schema/config-schema.js';
import { loadObject } from '../../../../src/config/source/load-file.js';
import type { SchemaNode } from '../../../../src/schema/schema-node.js';

const SMALLEST = {
  upstreams: { api: { targets: [{ url: 'http://127.0.0.1:8001' }] } },
  routes: [{ name: 'all', match: { path: '/*' }, upstream: 'api' }],
};

/** A value that is not the default; undefined: this test knows of none. */
function anotherValue(node: SchemaNode): unknown {
  const quantity = node['x-duration'] ?? node['x-size'];
  if (quantity !== undefined) return quantity.max === node.default ? quantity.min : quantity.max;
  if (node.enum !== undefined) return node.enum.find((value) => value !== node.default);
  if (node.type === 'boolean') return node.default !== true;
  if (node.type === 'integer') return node.maximum === node.default ? node.minimum : node.maximum;
  return undefined;
}

/** Keys of the objects that every configuration has, by path. */
function keysWithValues(): [string, unknown][] {
  const found: [string, unknown][] = [];
  for (const [key, node] of Object.entries(CONFIG_SCHEMA.properties ?? {})) {
    const own = anotherValue(node);
    if (own !== undefined) found.push([key, own]);
    // One of its keys alone is no configuration.
    if (node.required !== undefined || key === 'keys') continue;
    for (const [child, leaf] of Object.entries(node.properties ?? {})) {
      const value = anotherValue(leaf);
      if (value !== undefined) found.push([`${key}.${child}`, value]);
    }
  }
  return found;
}

function withValue(path: string, value: unknown): object {
  const [key = '', child] = path.split('.');
  const trustedProxies = ['127.0.0.1'];
  return { ...SMALLEST, trustedProxies, [key]: child === undefined ? value : { [child]: value } };
}

const PETS = {
  match: { path: '/pets/*' },
  upstream: 'api',
  openapi: resolve('examples/documents/pets.yaml'),
};

/** Of lists and of objects that one value of one key does not make. */
const OTHER_VALUES: Readonly<Record<string, unknown>> = {
  listen: { port: 8089 },
  trustedProxies: ['10.0.0.0/8'],
  clientAddressField: 'X-Real-IP',
  ipFilter: { deny: ['10.0.0.0/8'] },
  cors: { origins: ['https://a.example'] },
  securityHeaders: {},
  versioning: { by: 'path' },
  compression: { encodings: ['gzip'] },
  errors: { '404': { text: 'nothing here' } },
  tracing: { endpoint: 'http://127.0.0.1:4318' },
  authenticators: { keys: { type: 'apiKey', keys: [{ id: 'a', sha256: '0'.repeat(64) }] } },
  upstreams: { ...SMALLEST.upstreams, two: { targets: [{ url: 'http://127.0.0.1:8002' }] } },
  routes: [...SMALLEST.routes, { ...PETS, name: 'pets' }],
};

describe('keys that a reload can change', () => {
  const before = loadObject(SMALLEST).compiled;

  it('are told from others by what the reference says of them', () => {
    const keys = keysWithValues();
    expect(keys.length).toBeGreaterThan(20);
    for (const [path, value] of keys) {
      const after = loadObject(withValue(path, value) as typeof SMALLEST).compiled;
      expect(restartReasons(before, after).length === 0, path).toBe(isLive(path));
    }
  });

  it.each(Object.entries(OTHER_VALUES))('can come and go: %s', (key, value) => {
    const after = loadObject({ ...SMALLEST, [key]: value } as typeof SMALLEST).compiled;
    expect(JSON.stringify(after)).not.toBe(JSON.stringify(before));
    expect(isLive(key)).toBe(true);
    expect(restartReasons(before, after)).toEqual([]);
    expect(restartReasons(after, before)).toEqual([]);
  });

  it('are not the secret of limiter keys, which is not shown', () => {
    const secret = 'a secret that is long enough: yes';
    const after = loadObject({ ...SMALLEST, limits: { keySecret: secret } }).compiled;
    expect(restartReasons(before, after)).toEqual(['limits.keySecret takes a restart']);
    expect(restartReasons(after, after)).toEqual([]);
  });

  it('are not where API keys are kept that are made at run time', () => {
    const authenticators = { partners: { type: 'apiKey', managed: true } } as const;
    const [one, two] = [{ memory: true }, { file: 'keys.json' }].map(
      (keys) => loadObject({ ...SMALLEST, authenticators, keys }).compiled,
    );
    if (one === undefined || two === undefined) throw new Error('two were compiled');
    expect(restartReasons(one, two).length).toBeGreaterThan(0);
    expect(isLive('keys.file')).toBe(false);
  });

  it('bring along what is below them', () => {
    expect(isLive('routes[].cors.origins')).toBe(true);
    expect(isLive('upstreams.NAME.targets')).toBe(true);
    expect(isLive('limits')).toBe(false);
    expect(isLive('limits.headerBytes')).toBe(true);
    expect(isLive('routesOfOthers')).toBe(false);
  });
});
