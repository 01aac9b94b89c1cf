/**
 * Schemas of an OpenAPI document as JSON Schema has them.
 *
 * Thread: loader. Each schema that is referred to is converted once and shared by all operations
 * that need it. A keyword that cannot be used is left out, so that the rest still judges, and that
 * is told.
 */
import type { ErrorObject } from 'ajv';
import { isObject } from '../../base/json-object.js';
import { pointerKeys } from '../../base/json-pointer.js';
import { expressionProblem } from '../../filters/validation/linear-pattern.js';
import { isKnownFormat, shapeErrorsOf } from '../../filters/validation/schema-engine.js';
import { type JsonObject, type Located, type OpenapiDocument, tell } from './openapi-document.js';
import { type OpenapiNote, OpenapiNotes } from './openapi-notes.js';
import { nearestExpression } from './openapi-pattern.js';

/** Keywords that say nothing about validity. */
const ANNOTATIONS: ReadonlySet<string> = new Set([
  ...['title', 'description', 'default', 'example', 'examples', 'deprecated', 'discriminator'],
  ...['externalDocs', 'xml', 'readOnly', 'writeOnly', '$comment', '$schema', '$id', '$anchor'],
  ...['$vocabulary', 'contentEncoding', 'contentMediaType', 'contentSchema', '$dynamicAnchor'],
]);
/** Keywords whose values are data or plain values. */
const VALUES: ReadonlySet<string> = new Set([
  ...['type', 'const', 'enum', 'multipleOf', 'maximum', 'exclusiveMaximum', 'minimum'],
  ...['exclusiveMinimum', 'maxLength', 'minLength', 'maxItems', 'minItems', 'uniqueItems'],
  ...['maxProperties', 'minProperties', 'maxContains', 'minContains', 'dependentRequired'],
]);
/** Keywords whose values are schemas, or lists of schemas. */
const SCHEMAS: ReadonlySet<string> = new Set([
  ...['allOf', 'anyOf', 'oneOf', 'not', 'if', 'then', 'else', 'items', 'additionalItems'],
  ...['prefixItems', 'contains', 'additionalProperties', 'propertyNames', 'unevaluatedItems'],
  ...['unevaluatedProperties'],
]);
/** Keywords whose values are objects with a schema in each member. */
const NAMED_SCHEMAS: ReadonlySet<string> = new Set([
  ...['properties', 'patternProperties', 'dependentSchemas', '$defs', 'definitions'],
]);
/** Keywords that apply schemas to the same value. */
const IN_PLACE = ['allOf', 'anyOf', 'oneOf', 'not', 'if', 'then', 'else'] as const;

const REPAIRS_MAX = 50;

interface Definition {
  readonly name: string;
  schema: unknown;
  /** Names of definitions that it refers to. */
  readonly needed: Set<string>;
  readonly notes: OpenapiNotes;
}

interface Conversion {
  readonly file: string;
  readonly at: string;
  readonly needed: Set<string>;
  readonly notes: OpenapiNotes;
  /** References to members that are being read. */
  readonly within?: readonly string[];
}

export class OpenapiSchemas {
  private readonly byPlace = new Map<string, Definition>();
  private readonly byName = new Map<string, Definition>();

  constructor(private readonly document: OpenapiDocument) {}

  /** A schema with the definitions that it needs. What was left out is told. */
  convert({ value, file }: Located, at: string, notes: OpenapiNotes): unknown {
    const needed = new Set<string>();
    const own = new OpenapiNotes();
    const converted = this.repaired(this.read(value, { file, at, needed, notes: own }), at, own);
    notes.addAll(own.list);
    if (needed.size === 0) return converted;
    const definitions: Record<string, unknown> = {};
    // The set grows while it is walked, by what the definitions refer to.
    for (const name of needed) {
      const definition = this.byName.get(name);
      if (definition === undefined) continue;
      definitions[name] = definition.schema;
      for (const other of definition.needed) needed.add(other);
      notes.addAll(definition.notes.list.map((note): OpenapiNote => ({ ...note, at })));
    }
    return isObject(converted) ? { ...converted, $defs: definitions } : converted;
  }

  private read(value: unknown, context: Conversion): unknown {
    if (Array.isArray(value)) return value.map((item) => this.read(item, context));
    if (!isObject(value)) return value;
    const members: Record<string, unknown> = {};
    const { $ref } = value;
    if (typeof $ref === 'string') {
      const reference = this.refer($ref, context);
      if (reference !== undefined) members['$ref'] = reference;
      // OpenAPI 3.0: what stands beside a reference is not looked at.
      if (this.document.dialect === 'draft-07') return members;
    }
    for (const [key, member] of Object.entries(value)) {
      if (key === '$ref' || ANNOTATIONS.has(key) || key.startsWith('x-')) continue;
      const read = this.readMember(key, member, value, context);
      if (read !== undefined) members[key] = read;
    }
    return fromVersion30(members, value);
  }

  private readMember(key: string, member: unknown, parent: JsonObject, context: Conversion) {
    if (key === 'enum' && Array.isArray(member)) return choicesOf(member);
    if (VALUES.has(key)) return member;
    if (SCHEMAS.has(key)) return this.read(member, context);
    // A format is an open list, and one that nobody here knows says nothing.
    if (key === 'format') return isKnownFormat(member) ? member : undefined;
    if (key === 'pattern') return usableExpression(member, context);
    // A word of 3.0, which documents of later versions still have.
    if (key === 'nullable') return undefined;
    if (key === 'required' && Array.isArray(member)) {
      return member.filter((name) => !this.isReadOnly(parent['properties'], name, context.file));
    }
    if (NAMED_SCHEMAS.has(key) && isObject(member)) return this.readMembers(key, member, context);
    const { notes, at } = context;
    notes.unsupported(at, `the keyword ${JSON.stringify(key)} of a schema is not judged`);
    return undefined;
  }

  /** `properties: { $ref: … }` is of no standard, and found in documents of many files. */
  private readMembers(key: string, member: JsonObject, context: Conversion): unknown {
    const { $ref } = member;
    if (typeof $ref !== 'string') return this.readNamed(key, member, context);
    const { at, notes, within = [] } = context;
    const place = `${context.file} ${$ref}`;
    const target = this.document.resolve({ value: member, file: context.file }, at, notes);
    if (target === undefined) return undefined;
    if (within.includes(place)) {
      notes.unsupported(at, `${JSON.stringify($ref)} leads to itself: it is not judged`);
      return undefined;
    }
    const inside = { ...context, file: target.file, within: [...within, place] };
    return this.readNamed(key, target.value, inside);
  }

  private readNamed(key: string, member: JsonObject, context: Conversion): JsonObject {
    const named: [string, unknown][] = [];
    for (const [name, schema] of Object.entries(member)) {
      const known = key === 'patternProperties' ? usableExpression(name, context) : name;
      if (known !== undefined) named.push([known, this.read(schema, context)]);
    }
    return Object.fromEntries(named);
  }

  /** The name of a definition as a reference to it. */
  private refer(reference: string, { file, at, needed, notes }: Conversion): string | undefined {
    const target = this.document.follow(reference, file);
    if (typeof target === 'string') {
      tell(notes, at, target, reference);
      return undefined;
    }
    const place = `${target.file}#${JSON.stringify(target.keys)}`;
    let definition = this.byPlace.get(place);
    if (definition === undefined) {
      const name = this.freeName(target.keys.at(-1) ?? 'file');
      definition = { name, schema: true, needed: new Set(), notes: new OpenapiNotes() };
      this.byPlace.set(place, definition);
      this.byName.set(name, definition);
      const { needed: names, notes: own } = definition;
      const context = { file: target.file, at: `schema ${name}`, needed: names, notes: own };
      const schema = this.repaired(this.read(target.value, context), context.at, own);
      definition.schema = this.withoutCircle(schema, definition, [definition.name]);
    }
    needed.add(definition.name);
    return `#/$defs/${definition.name}`;
  }

  private freeName(key: string): string {
    const plain = key.replace(/[^A-Za-z0-9._-]/g, '_') || '_';
    let name = plain;
    for (let count = 2; this.byName.has(name); count++) name = `${plain}-${count}`;
    return name;
  }

  /** A schema that applies itself to the same value would be judged without end. */
  private withoutCircle(schema: unknown, of: Definition, path: readonly string[]): unknown {
    if (Array.isArray(schema)) return schema.map((one) => this.withoutCircle(one, of, path));
    if (!isObject(schema)) return schema;
    const members: Record<string, unknown> = { ...schema };
    if (typeof schema['$ref'] === 'string' && this.leadsTo(schema['$ref'], path)) {
      delete members['$ref'];
      of.notes.unsupported(`schema ${of.name}`, `the schema ${of.name} applies itself to itself`);
    }
    for (const key of IN_PLACE) {
      if (schema[key] !== undefined) members[key] = this.withoutCircle(schema[key], of, path);
    }
    return members;
  }

  /** Whether a reference leads to one of these definitions without going deeper into a value. */
  private leadsTo(reference: string, names: readonly string[], seen = new Set<string>()): boolean {
    const name = reference.slice('#/$defs/'.length);
    if (names.includes(name)) return true;
    if (seen.has(name)) return false;
    seen.add(name);
    return inPlaceReferences(this.byName.get(name)?.schema).some((next) => {
      return this.leadsTo(next, names, seen);
    });
  }

  /** Leaves out what the meta-schema says is wrong. */
  private repaired(schema: unknown, at: string, notes: OpenapiNotes): unknown {
    let current = schema;
    for (let round = 0; round < REPAIRS_MAX; round++) {
      const [error] = shapeErrorsOf(current, this.document.dialect);
      if (error === undefined) return current;
      const path = pointerKeys(error.instancePath);
      notes.unsupported(at, `${placeOf(error)} is not judged: it ${error.message ?? 'is wrong'}`);
      if (path.length === 0) return true;
      current = without(current, path);
    }
    notes.unsupported(at, 'the schema is not judged: it has too many mistakes');
    return true;
  }

  /** What only the service sets is not asked of a request. */
  private isReadOnly(properties: unknown, name: unknown, file: string): boolean {
    if (!isObject(properties) || typeof name !== 'string') return false;
    if (!Object.hasOwn(properties, name)) return false;
    const property = properties[name];
    if (!isObject(property)) return false;
    if (property['readOnly'] === true) return true;
    const target =
      typeof property['$ref'] === 'string' ? this.document.follow(property['$ref'], file) : '';
    return (
      typeof target !== 'string' && isObject(target.value) && target.value['readOnly'] === true
    );
  }
}

function placeOf({ instancePath }: ErrorObject): string {
  return instancePath === '' ? 'the schema' : `${instancePath} of the schema`;
}

function inPlaceReferences(schema: unknown): string[] {
  if (Array.isArray(schema)) return schema.flatMap(inPlaceReferences);
  if (!isObject(schema)) return [];
  const { $ref } = schema;
  const below = IN_PLACE.flatMap((key) => inPlaceReferences(schema[key]));
  return typeof $ref === 'string' ? [$ref, ...below] : below;
}

function without(schema: unknown, path: readonly string[]): unknown {
  const [key = '', ...rest] = path;
  if (Array.isArray(schema)) {
    return rest.length === 0
      ? schema.filter((_, at) => String(at) !== key)
      : schema.map((item, at) => (String(at) === key ? without(item, rest) : item));
  }
  if (!isObject(schema)) return schema;
  const { [key]: member, ...others } = schema;
  return rest.length === 0 ? others : { ...others, [key]: without(member, rest) };
}

/** Each once; undefined: a list of nothing would take nothing. */
function choicesOf(list: readonly unknown[]): unknown[] | undefined {
  const texts = list.map((one) => JSON.stringify(one));
  const choices = list.filter((_, at) => texts.indexOf(texts[at] ?? '') === at);
  return choices.length === 0 ? undefined : choices;
}

function usableExpression(value: unknown, { notes, at }: Conversion): string | undefined {
  if (typeof value !== 'string') return undefined;
  const expression = nearestExpression(value);
  const problem = expressionProblem(expression);
  if (problem === undefined) return expression;
  notes.unsupported(at, `the pattern ${JSON.stringify(value)} is not judged: ${problem}`);
  return undefined;
}

/** OpenAPI 3.0 has its own words for three things, which mean nothing in later versions. */
function fromVersion30(schema: Record<string, unknown>, original: JsonObject): unknown {
  bound(schema, 'minimum', 'exclusiveMinimum');
  bound(schema, 'maximum', 'exclusiveMaximum');
  if (original['nullable'] !== true) return schema;
  const { type, enum: choices } = schema;
  if (typeof type !== 'string') return { anyOf: [schema, { type: 'null' }] };
  const withNull = Array.isArray(choices) && !choices.includes(null);
  return { ...schema, type: [type, 'null'], ...(withNull && { enum: [...choices, null] }) };
}

function bound(schema: Record<string, unknown>, inclusive: string, exclusive: string): void {
  const { [exclusive]: value, [inclusive]: limit } = schema;
  if (typeof value !== 'boolean') return;
  delete schema[exclusive];
  if (!value || limit === undefined) return;
  schema[exclusive] = limit;
  delete schema[inclusive];
}
