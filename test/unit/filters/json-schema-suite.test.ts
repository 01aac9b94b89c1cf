/**
 * The JSON Schema Test Suite (shared/data): every required case of both drafts gets the verdict
 * that it asks for, except those listed here, which docs/routing-and-filters.md names as well.
 */
import { readdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { evaluateSchema } from '../../../src/filters/validation/schema-code.js';
import {
  codeOf,
  createSchemaEngine,
  type SchemaDialect,
} from '../../../src/filters/validation/schema-engine.js';
import { describeWithData, readShared, sharedPath } from '../../support/shared-data.js';

interface Group {
  readonly description: string;
  readonly schema: object | boolean;
  readonly tests: readonly {
    readonly description: string;
    readonly data: unknown;
    readonly valid: boolean;
  }[];
}

/** How many cases of a file ajv gets wrong. */
const WRONG: Readonly<Record<SchemaDialect, Readonly<Record<string, number>>>> = {
  'draft-07': { 'properties.json': 1, 'ref.json': 3 },
  '2020-12': {
    // Refused when the configuration is loaded.
    'dynamicRef.json': 25,
    'enum.json': 6,
    'properties.json': 1,
    'ref.json': 8,
    'unevaluatedItems.json': 12,
    'unevaluatedProperties.json': 5,
    'vocabulary.json': 1,
  },
};

const DRAFTS = [
  { dialect: 'draft-07', folder: 'draft7', id: 'http://json-schema.org/draft-07/schema' },
  {
    dialect: '2020-12',
    folder: 'draft2020-12',
    id: 'https://json-schema.org/draft/2020-12/schema',
  },
] as const;

/** What ajv has compiled here, or the code of it as threads get it. */
type Run = 'ajv' | 'code';

const RUNS = DRAFTS.flatMap((draft) => [
  { ...draft, runs: 'ajv' as const },
  { ...draft, runs: 'code' as const },
]);

/** The documents that schemas of the suite refer to by URL. */
function remotesOf(id: string, own: string): [string, object][] {
  const folder = 'json-schema/remotes';
  return readdirSync(sharedPath(folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.json') && (!/^v?draft/.test(name) || name.startsWith(own)))
    .map((name): [string, object] => {
      return [name, JSON.parse(readShared(`${folder}/${name}`)) as object];
    })
    .filter(([, schema]) => {
      const draft: unknown = Reflect.get(schema, '$schema');
      return draft === undefined || String(draft).startsWith(id);
    })
    .map(([name, schema]) => [`http://localhost:1234/${name}`, schema]);
}

/** Undefined where ajv cannot even take the schema. */
function judgeOf(
  { schema }: Group,
  dialect: SchemaDialect,
  remotes: readonly [string, object][],
  runs: Run,
): (data: unknown) => unknown {
  const engine = createSchemaEngine(dialect, { assertsFormats: false });
  try {
    if (JSON.stringify(schema).includes('localhost:1234')) {
      for (const [uri, remote] of remotes) engine.addSchema(remote, uri);
    }
    const compiled = engine.compile(schema);
    const validate = runs === 'code' ? evaluateSchema(codeOf(engine, compiled, 'json')) : compiled;
    return (data) => {
      try {
        return validate(data);
      } catch {
        return undefined;
      }
    };
  } catch {
    return () => undefined;
  }
}

describeWithData(['json-schema'], 'the JSON Schema Test Suite', () => {
  it.each(RUNS)('$dialect: required cases, from $runs', ({ dialect, folder, id, runs }) => {
    const remotes = remotesOf(id, folder);
    const wrong: Record<string, number> = {};
    let count = 0;
    const files = readdirSync(sharedPath(`json-schema/${folder}`));
    for (const file of files.filter((name) => name.endsWith('.json'))) {
      const groups = JSON.parse(readShared(`json-schema/${folder}/${file}`)) as Group[];
      for (const group of groups) {
        const judge = judgeOf(group, dialect, remotes, runs);
        for (const test of group.tests) {
          count++;
          if (judge(test.data) === test.valid) continue;
          wrong[file] = (wrong[file] ?? 0) + 1;
        }
      }
    }
    expect(count).toBeGreaterThan(900);
    expect(wrong).toEqual(WRONG[dialect]);
  });
});
