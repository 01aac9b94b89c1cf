/**
 * An OpenAPI document: its version, its references, and its schemas as JSON Schema has them.
 *
 * Thread: acceptor.
 */

import { pointerKeys } from '../../base/json-pointer.js';
import { isKnownFormat } from '../../filters/validation/schema-engine.js';

export type JsonObject = Readonly<Record<string, unknown>>;

/** References to references. */
const HOPS_MAX = 16;
const SCHEMAS = '#/components/schemas/';

/** Members of a schema that OpenAPI adds, and that say nothing about validity. */
const ANNOTATIONS: ReadonlySet<string> = new Set([
  'discriminator',
  'example',
  'externalDocs',
  'xml',
]);
/** Members whose members are names, not keywords. */
const NAMED_MEMBERS: ReadonlySet<string> = new Set([
  'properties',
  'patternProperties',
  '$defs',
  'definitions',
  'dependentSchemas',
]);
/** Members that hold data, whatever it looks like. */
const DATA_MEMBERS: ReadonlySet<string> = new Set(['const', 'default', 'enum', 'examples']);

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Where in which document. */
export interface OpenapiPlace {
  readonly at: string;
  readonly document: OpenapiDocument;
  readonly problems: string[];
}

/** Names of parameters in routes are letters, digits and `_`. */
export function paramName(name: string): string {
  return name.replace(/[^A-Za-z0-9_]/g, '_').replace(/^(?=\d)/, '_');
}

export class OpenapiDocument {
  private constructor(
    private readonly root: JsonObject,
    readonly dialect: 'draft-07' | '2020-12',
  ) {}

  /** A document, or what is wrong with it. */
  static open(value: unknown): OpenapiDocument | string {
    if (!isObject(value)) return 'it is no OpenAPI document';
    const version = String(value['openapi'] ?? '');
    if (!/^3\.[01]\.\d+/.test(version)) return 'it is not of OpenAPI 3.0 or 3.1';
    return new OpenapiDocument(value, version.startsWith('3.0') ? 'draft-07' : '2020-12');
  }

  get paths(): JsonObject {
    const { paths } = this.root;
    return isObject(paths) ? paths : {};
  }

  /** Follows `$ref`; undefined: it leads nowhere, which is told. */
  resolve(value: unknown, at: string, problems: string[]): JsonObject | undefined {
    let target = value;
    for (let hop = 0; hop < HOPS_MAX; hop += 1) {
      if (!isObject(target)) break;
      const { $ref } = target;
      if (typeof $ref !== 'string') return target;
      target = this.lookUp($ref);
    }
    problems.push(`${at}: a reference leads out of the document, or nowhere`);
    return undefined;
  }

  private lookUp(reference: string): unknown {
    if (!reference.startsWith('#/')) return undefined;
    return pointerKeys(decodeURIComponent(reference.slice(1))).reduce<unknown>((value, key) => {
      return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
        ? Reflect.get(value, key)
        : undefined;
    }, this.root);
  }

  /** A schema by itself, with those that it refers to; references elsewhere are told. */
  schema(value: unknown, at: string, problems: string[]): unknown {
    const needed = new Set<string>();
    const converted = this.convert(value, { at, problems, needed });
    const definitions: Record<string, unknown> = {};
    // The set grows while it is walked, by what the definitions refer to.
    for (const name of needed) {
      const target = this.lookUp(`${SCHEMAS}${name.replaceAll('~', '~0').replaceAll('/', '~1')}`);
      if (target === undefined) problems.push(`${at}: there is no schema ${name}`);
      else definitions[name] = this.convert(target, { at, problems, needed });
    }
    if (needed.size === 0) return converted;
    return isObject(converted) ? { ...converted, $defs: definitions } : converted;
  }

  private convert(value: unknown, context: ConvertContext): unknown {
    if (Array.isArray(value)) return value.map((item) => this.convert(item, context));
    if (!isObject(value)) return value;
    const members: [string, unknown][] = [];
    for (const [key, member] of Object.entries(value)) {
      if (ANNOTATIONS.has(key) || key.startsWith('x-')) continue;
      // A format is an open list, and one that nobody here knows says nothing.
      if (key === 'format' && !isKnownFormat(member)) continue;
      if (key === '$ref') members.push([key, this.convertReference(member, context)]);
      else if (DATA_MEMBERS.has(key)) members.push([key, member]);
      else if (NAMED_MEMBERS.has(key) && isObject(member)) {
        const named = Object.entries(member).map(([name, one]): [string, unknown] => {
          return [name, this.convert(one, context)];
        });
        members.push([key, Object.fromEntries(named)]);
      } else if (key === 'required' && Array.isArray(member)) {
        members.push([key, member.filter((name) => !isReadOnly(value['properties'], name))]);
      } else members.push([key, this.convert(member, context)]);
    }
    const schema = Object.fromEntries(members);
    return this.dialect === 'draft-07' ? fromVersion30(schema) : schema;
  }

  private convertReference(reference: unknown, { at, problems, needed }: ConvertContext): string {
    const text = String(reference);
    if (!text.startsWith(SCHEMAS)) {
      problems.push(`${at}: ${text} is no reference to ${SCHEMAS}NAME`);
      return text;
    }
    const [name = '', ...rest] = text.slice(SCHEMAS.length).split('/');
    needed.add(pointerKeys(`/${decodeURIComponent(name)}`)[0] ?? '');
    return ['#/$defs', name, ...rest].join('/');
  }
}

interface ConvertContext {
  readonly at: string;
  readonly problems: string[];
  readonly needed: Set<string>;
}

/** What only the service sets is not asked of a request. */
function isReadOnly(properties: unknown, name: unknown): boolean {
  if (!isObject(properties) || typeof name !== 'string' || !Object.hasOwn(properties, name)) {
    return false;
  }
  const property = properties[name];
  return isObject(property) && property['readOnly'] === true;
}

/** OpenAPI 3.0 has its own words for three things of draft-07. */
function fromVersion30(schema: Record<string, unknown>): unknown {
  const { nullable, exclusiveMinimum, exclusiveMaximum, ...rest } = schema;
  const result: Record<string, unknown> = { ...rest };
  bound(result, 'minimum', 'exclusiveMinimum', exclusiveMinimum);
  bound(result, 'maximum', 'exclusiveMaximum', exclusiveMaximum);
  // Said of requests only, and of no one else.
  delete result['readOnly'];
  delete result['writeOnly'];
  if (nullable !== true) return result;
  if (typeof result['type'] === 'string') {
    const { enum: choices } = result;
    const withNull = Array.isArray(choices) && !choices.includes(null);
    return {
      ...result,
      type: [result['type'], 'null'],
      ...(withNull && { enum: [...choices, null] }),
    };
  }
  return { anyOf: [result, { type: 'null' }] };
}

function bound(
  schema: Record<string, unknown>,
  inclusive: string,
  exclusive: string,
  value: unknown,
): void {
  if (value === true) {
    schema[exclusive] = schema[inclusive];
    delete schema[inclusive];
  } else if (typeof value === 'number') schema[exclusive] = value;
}
