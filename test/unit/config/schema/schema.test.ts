import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { parseDurationMs, parseSizeBytes } from '../../../../src/base/quantities.js';
import { CONFIG_SCHEMA } from '../../../../src/config/schema/config-schema.js';
import { DEFAULTS } from '../../../../src/config/schema/defaults.js';
import type { SchemaNode } from '../../../../src/schema/schema-node.js';
import { compileConfig } from '../../../support/compile-config.js';
import { machineOf } from '../../../support/machine.js';

/** Every node of the schema with its path. */
function allNodes(node: SchemaNode, path = '$'): [string, SchemaNode][] {
  const children = Object.entries(node.properties ?? {}).flatMap(([key, child]) =>
    allNodes(child, `${path}.${key}`),
  );
  const items = node.items === undefined ? [] : allNodes(node.items, `${path}[]`);
  const more = node.additionalProperties;
  const values = more === undefined || more === false ? [] : allNodes(more, `${path}.NAME`);
  const kinds = (node.oneOf ?? []).flatMap((kind) => {
    return allNodes(kind, `${path}<${kind.properties?.['type']?.enum?.[0]}>`);
  });
  return [[path, node], ...children, ...items, ...values, ...kinds];
}

const nodes = allNodes(CONFIG_SCHEMA);

describe('CONFIG_SCHEMA', () => {
  it('is plain JSON and valid by its own meta-schema', () => {
    const copy: unknown = JSON.parse(JSON.stringify(CONFIG_SCHEMA));
    expect(copy).toEqual(CONFIG_SCHEMA);
    const ajv = new Ajv2020({ strict: false });
    expect(ajv.validateSchema(CONFIG_SCHEMA)).toBe(true);
  });

  it('describes every key', () => {
    const silent = nodes.filter(
      ([path, node]) => !/(\[\]|NAME)$/.test(path) && node.description === undefined,
    );
    expect(silent.map(([path]) => path)).toEqual([]);
  });

  it('lets no object have keys that it does not know', () => {
    for (const [path, node] of nodes) {
      const rest = node.additionalProperties ?? node.oneOf;
      if (node.type === 'object') expect(rest, path).toBeDefined();
    }
  });

  it('bounds every string, number and map', () => {
    for (const [path, node] of nodes) {
      if (node.type === 'integer') expect(node.maximum, path).toBeDefined();
      if (node.type !== 'string') continue;
      const bound = node.enum ?? node.maxLength ?? node.pattern ?? node['x-duration'];
      expect(bound, path).toBeDefined();
    }
  });

  it('has words for every pattern, or a range', () => {
    for (const [path, node] of nodes) {
      if (node.pattern === undefined) continue;
      const words = node['x-meaning'] ?? node['x-duration'] ?? node['x-size'];
      expect(words, path).toBeDefined();
    }
  });

  it('has ranges that can be read, and defaults inside them', () => {
    for (const [path, node] of nodes) {
      const range = node['x-duration'] ?? node['x-size'];
      if (range === undefined) continue;
      const parse = node['x-duration'] === undefined ? parseSizeBytes : parseDurationMs;
      const [min = Number.NaN, max = Number.NaN] = [parse(range.min), parse(range.max)];
      expect(min, path).toBeLessThan(max);
      if (node.default === undefined) continue;
      const byDefault = parse(String(node.default));
      expect(byDefault, path).toBeGreaterThanOrEqual(min);
      expect(byDefault, path).toBeLessThanOrEqual(max);
    }
  });

  it('marks what must not be shown', () => {
    const secret = nodes.filter(([, node]) => node.writeOnly).map(([path]) => path);
    expect(secret).toEqual([
      '$.admin.token',
      '$.limits.keySecret',
      '$.store.sentinel.password',
      '$.store.password',
      '$.store.secret',
      '$.store.tls.key',
      '$.kubernetes.ingress.stickySecret',
      '$.tracing.headers.NAME',
      '$.authenticators.NAME<jwt>.secret',
      '$.authenticators.NAME<apiKey>.keys[].sha256',
      '$.authenticators.NAME<basic>.users[].passwordHash',
      '$.authenticators.NAME<introspection>.clientSecret',
      '$.authenticators.NAME<oidc>.clientSecret',
      '$.authenticators.NAME<oidc>.session.secret',
      '$.authenticators.NAME<oidc>.session.previousSecrets[]',
      '$.authenticators.NAME<hmac>.secrets[]',
      '$.authenticators.NAME<httpSignature>.keys[].secret',
      '$.plugins[].options',
      '$.upstreams.NAME.targets.http.token',
      '$.upstreams.NAME.targets.consul.token',
      '$.upstreams.NAME.targets[].tls.key',
      '$.upstreams.NAME.loadBalancing.stickyCookie.secret',
      '$.upstreams.NAME.tls.key',
      '$.routes[].respond.headers.NAME',
      '$.routes[].rewrite.query.set.NAME',
      '$.routes[].rewrite.query.add.NAME',
      '$.routes[].rewrite.headers.set.NAME',
      '$.routes[].rewrite.headers.add.NAME',
      '$.routes[].rewrite.body.template',
      '$.routes[].rewrite.body.set.NAME',
      '$.routes[].rewriteReply.headers.set.NAME',
      '$.routes[].rewriteReply.headers.add.NAME',
      '$.routes[].rewriteReply.body.template',
      '$.routes[].rewriteReply.body.set.NAME',
    ]);
  });
});

describe('DEFAULTS', () => {
  it('are loopback', () => {
    expect(DEFAULTS.listen.host).toBe('127.0.0.1');
    expect(DEFAULTS.admin.host).toBe('127.0.0.1');
  });

  it('are what a configuration without the fields compiles to', () => {
    const config = compileConfig(
      {
        upstreams: { api: { targets: [{ url: 'http://127.0.0.1:8001' }] } },
        routes: [{ name: 'all', match: { path: '/*' }, upstream: 'api' }],
      },
      { machine: machineOf(4) },
    );
    expect(config).toMatchObject({
      epoch: 1,
      listeners: [{ name: '127.0.0.1:8080', address: { host: '127.0.0.1', port: 8080 } }],
      admin: { host: '127.0.0.1', port: 9901 },
      workers: 3,
      trustedProxies: [],
      limits: { headerBytes: 16_384, bodyBytes: 1_048_576, trackedClients: 262_144 },
      logging: { level: 'info', format: 'auto', accessLog: { samplePercent: 100 } },
      shutdown: { graceMs: 10_000, delayMs: 0 },
    });
  });
});
