/**
 * The checker that the build wrote is of the schema as it is now, and says of every golden
 * configuration what the schema itself says. The quick check takes nothing that it refuses.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { parse, YAMLParseError } from 'yaml';
import type { GatewayConfig } from '../../src/config/gateway-config.js';
import { CONFIG_SCHEMA } from '../../src/config/schema/config-schema.js';
import {
  type ConfigValidator,
  type PrecompiledSchema,
  precompiledValidator,
  schemaCompiler,
  schemaDigest,
} from '../../src/config/schema/config-validator.js';
import { CHECKED_KEYWORDS, fitsNode } from '../../src/schema/fits-node.js';
import type { SchemaNode } from '../../src/schema/schema-node.js';
import { EXAMPLE_NAMES, exampleFile } from '../support/examples.js';

const FILE = new URL('../../dist/src/config/schema/compiled-schema.cjs', import.meta.url);
const GOLDEN = new URL('../golden/config/', import.meta.url);

const precompiled = createRequire(import.meta.url)(FILE.pathname) as PrecompiledSchema;

describe('the checker that the build wrote', () => {
  it('is of the schema as it is now', () => {
    expect(precompiled.digest).toBe(schemaDigest());
  });

  it('finds what the schema finds', () => {
    const quick = precompiledValidator(precompiled);
    const slow = schemaCompiler(false).compile<GatewayConfig>(CONFIG_SCHEMA);
    let count = 0;
    for (const name of readdirSync(GOLDEN)) {
      const [text = ''] = readFileSync(new URL(name, GOLDEN), 'utf8').split('-'.repeat(40));
      const value = readValue(text);
      const errors = errorsOf(quick, value);
      expect(errors, name).toEqual(errorsOf(slow, value));
      count += errors.length;
    }
    expect(count).toBeGreaterThan(100);
  });
});

describe('the quick check', () => {
  const isValid = precompiledValidator(precompiled);

  it('knows each keyword of the schema', () => {
    const forReaders = [...PROSE, '$schema', 'writeOnly', 'x-meaning'];
    const used = new Set(nodesOf(CONFIG_SCHEMA).flatMap((node) => Object.keys(node)));
    const unknown = [...used].filter(
      (word) => !forReaders.includes(word) && !(CHECKED_KEYWORDS as string[]).includes(word),
    );
    expect(unknown).toEqual([]);
    expect(used.size).toBeGreaterThan(20);
  });

  it('takes each example, so that nobody reads the code of the checker for it', () => {
    for (const name of EXAMPLE_NAMES) {
      const value = readValue(readFileSync(exampleFile(name), 'utf8'));
      if (isValid(value)) expect(fitsNode(CONFIG_SCHEMA, value), name).toBe(true);
    }
  });

  it('takes nothing that the checker refuses, whatever is changed in an example', () => {
    let refused = 0;
    // A quarter of them has all kinds of nodes; golden/config has the mistakes that people make.
    for (const name of EXAMPLE_NAMES.filter((_, at) => at % 4 === 0)) {
      const root = readValue(readFileSync(exampleFile(name), 'utf8'));
      for (const [parent, key] of placesIn(root)) {
        const before: unknown = Reflect.get(parent, key);
        for (const value of OTHER_VALUES) {
          Reflect.set(parent, key, value);
          if (isValid(root)) continue;
          refused += 1;
          const at = `${name}: ${key} as ${JSON.stringify(value)}`;
          expect(fitsNode(CONFIG_SCHEMA, root), at).toBe(false);
        }
        Reflect.set(parent, key, before);
      }
    }
    expect(refused).toBeGreaterThan(1000);
  });

  it('leaves what is no plain data to the checker, and compares nothing without an end', () => {
    const upstreams = { api: { targets: [{ url: 'http://127.0.0.1:8001' }] } };
    const routes = [{ name: 'a', match: { path: '/a' }, upstream: 'api' }];
    const plain = (): object => ({ upstreams, routes });
    class Settings {
      constructor() {
        Object.assign(this, plain());
      }
      get limits(): string {
        return 'many';
      }
    }
    const circles: unknown[][] = [[], []];
    for (const circle of circles) circle.push(circle);
    const wrong: readonly object[] = [
      new Settings(),
      Object.defineProperty(plain(), 'limits', { value: 'many', enumerable: false }),
      { ...plain(), errors: Object.create({ '404': { text: 'no' } }) as object },
      { ...plain(), trustedProxies: circles },
    ];
    expect(fitsNode(CONFIG_SCHEMA, plain())).toBe(true);
    for (const [at, value] of wrong.entries()) {
      expect(isValid(value), `${at}`).toBe(false);
      expect(fitsNode(CONFIG_SCHEMA, value), `${at}`).toBe(false);
    }
  });
});

const OTHER_VALUES: readonly unknown[] = [
  ...['', 'x', 'A value!', '1s', '400d', '1KiB', '99999MiB', '\u{1F600}', 'x'.repeat(5000)],
  ...[-1, 0, 0.5, 1e9, Number.NaN, true, null, undefined],
  ...[[], ['x', 'x'], [{}, {}], {}, { x: 1 }, { type: 'x' }],
];

/** Every value of a configuration, by what holds it. */
function placesIn(value: unknown): [object, string][] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.keys(value).flatMap((key) => [
    [value, key] as [object, string],
    ...placesIn(Reflect.get(value, key)),
  ]);
}

function nodesOf(node: SchemaNode): SchemaNode[] {
  const { items, additionalProperties, propertyNames, properties, oneOf } = node;
  const below = [items, additionalProperties, propertyNames, ...(oneOf ?? [])];
  const parts = [...below, ...Object.values(properties ?? {})];
  return [node, ...parts.flatMap((part) => (part ? nodesOf(part) : []))];
}

/** What is no YAML at all is told before there is anything to check. */
function readValue(text: string): unknown {
  try {
    return parse(text, { merge: true });
  } catch (error) {
    if (error instanceof YAMLParseError || error instanceof ReferenceError) return null;
    throw error;
  }
}

/** For readers: the build leaves it out. */
const PROSE = ['title', 'description', 'default', 'x-absent', 'x-typescript'];

/** Without what of the schema lies below the error, and where: the build moves parts of it. */
function errorsOf(validate: ConfigValidator, value: unknown): object[] {
  validate(value);
  return (validate.errors ?? []).map(({ keyword, instancePath, params, data, parentSchema }) => ({
    keyword,
    instancePath,
    params,
    data,
    leaf: Object.entries(parentSchema ?? {}).filter(
      ([key, part]) => typeof part !== 'object' && !PROSE.includes(key),
    ),
    choices: parentSchema?.['enum'],
    keys: Object.keys(parentSchema?.['properties'] ?? {}),
  }));
}
