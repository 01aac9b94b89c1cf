/** Schemas as code: what threads run is what the loader compiled, and nothing else. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { shareConfig } from '../../../src/config/shared/share-config.js';
import { evaluateSchema, SchemaJudges } from '../../../src/filters/validation/schema-code.js';
import { schemaCode, schemaProblem } from '../../../src/filters/validation/schema-engine.js';
import { schemaJudges } from '../../../src/worker/route/route-filters.js';
import { compileConfig } from '../../support/compile-config.js';

const DIALECTS = ['2020-12', 'draft-07'] as const;

function verdictOf(schema: unknown, value: unknown, input: 'json' | 'text' = 'json'): unknown {
  return evaluateSchema(schemaCode(schema, '2020-12', input))(value);
}

describe('the code of a schema', () => {
  it.each(DIALECTS)('needs no ajv, whatever the schema has (%s)', (dialect) => {
    const schema = {
      type: 'object',
      properties: {
        pattern: { pattern: '^(a|b)+$' },
        unique: { uniqueItems: true },
        format: { format: 'date-time', formatMinimum: '2024-01-01T00:00:00Z' },
        mail: { format: 'email' },
        length: { type: 'string', maxLength: 2 },
        constant: { const: { a: [1] } },
      },
    };
    const validate = evaluateSchema(schemaCode(schema, dialect, 'json'));
    expect(validate({ pattern: 'abab', unique: [1, 2], length: '💧💧', mail: 'a@b.example' })).toBe(
      true,
    );
    for (const wrong of [
      { pattern: 'c' },
      { unique: [{ a: 1 }, { a: 1 }] },
      { format: '2023-01-01T00:00:00Z' },
      { mail: 'nobody' },
      { length: 'abc' },
      { constant: { a: [2] } },
    ]) {
      expect(validate(wrong)).toBe(false);
      expect(validate.errors).toHaveLength(1);
    }
  });

  it('holds texts of a schema as texts, also those that look like code', () => {
    for (const text of [
      '"; throw new Error("run"); "',
      'data0 == +data0',
      '\\',
      '\u2028',
      '`${1}`',
    ]) {
      for (const input of ['json', 'text'] as const) {
        expect(verdictOf({ const: text }, text, input)).toBe(true);
        expect(verdictOf({ enum: [text, { [text]: 1 }] }, 'other', input)).toBe(false);
        const named = { properties: { [text]: { type: 'integer' } }, required: [text] };
        expect(verdictOf(named, { [text]: 1 }, input)).toBe(true);
        expect(verdictOf(named, {}, input)).toBe(false);
        expect(verdictOf({ not: { pattern: '^$', description: text } }, 'a', input)).toBe(true);
      }
    }
  });

  it('reaches no module but those that ajv runs on', () => {
    expect(() => evaluateSchema('require("node:fs")')).toThrow('asks for node:fs');
    expect(() => evaluateSchema('process.exit(')).toThrow(SyntaxError);
  });

  it('is evaluated in one file of the sources only', () => {
    const text = readFileSync('src/filters/validation/schema-code.ts', 'utf8');
    expect(text.match(/compileFunction\(/g)).toHaveLength(1);
  });

  it('is had of a schema with keywords that do nothing, which a check would tell', () => {
    const schema = { if: { minimum: 1 }, maximum: 5 };
    expect(schemaProblem(schema, '2020-12')).toContain('if');
    expect(verdictOf(schema, 5)).toBe(true);
    expect(verdictOf(schema, 6)).toBe(false);
    expect(() => schemaCode({ $ref: '#/nowhere' }, '2020-12', 'json')).toThrow('cannot be used');
  });

  it('is made of what gives a verdict at once', () => {
    expect(schemaProblem({ $async: true }, '2020-12')).toContain('$async');
    expect(schemaProblem({ properties: { $async: true } }, '2020-12')).toBeUndefined();
  });
});

const BODY = { type: 'object', required: ['a'] };

function shared(
  bodies: readonly Readonly<Record<string, unknown>>[],
): ReturnType<typeof shareConfig> {
  return shareConfig(
    compileConfig({
      upstreams: { api: { targets: [{ url: 'http://127.0.0.1:8001' }] } },
      routes: bodies.map((body, at) => ({
        name: `r${at}`,
        match: { path: `/${at}` },
        upstream: 'api',
        validation: { body, query: { properties: { n: { type: 'integer' } } } },
      })),
    }),
  );
}

describe('a configuration', () => {
  it('has the code of a schema once, however many routes have it', () => {
    const { schemas } = shared(Array.from({ length: 50 }, () => ({ ...BODY })));
    // One of bodies, one of queries.
    expect(schemas.offsets).toHaveLength(3);
  });

  it('has other bytes if a schema changes, and the same if none does', () => {
    const bytes = ({ schemas }: ReturnType<typeof shareConfig>): Buffer =>
      Buffer.from(schemas.bytes);
    expect(bytes(shared([BODY])).equals(bytes(shared([{ ...BODY }])))).toBe(true);
    expect(bytes(shared([BODY])).equals(bytes(shared([{ ...BODY, required: ['b'] }])))).toBe(false);
  });

  it('is proved with all its schemas', () => {
    const { schemas } = shared([BODY, { const: 1 }]);
    expect(() => schemaJudges(schemas).evaluateAll()).not.toThrow();
    const broken = new SchemaJudges(1, () => 'module.exports = (');
    expect(() => broken.evaluateAll()).toThrow(SyntaxError);
  });

  it('gives routes with the same schema the same judge, which reads its code once', () => {
    let reads = 0;
    const judges = new SchemaJudges(1, () => {
      reads += 1;
      return schemaCode(BODY, '2020-12', 'json');
    });
    expect(reads).toBe(0);
    expect(judges.at(0)).toBe(judges.at(0));
    expect(judges.at(0).errorsOf({ a: 1 })).toEqual([]);
    expect(judges.at(0).errorsOf({})).toHaveLength(1);
    expect(reads).toBe(1);
  });
});
