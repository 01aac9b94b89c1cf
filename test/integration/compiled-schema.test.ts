/**
 * The checker that the build wrote is of the schema as it is now, and says of every golden
 * configuration what the schema itself says.
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
