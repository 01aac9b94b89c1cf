/**
 * The parameters of an operation, as one schema for each part of the request, and how those are
 * written that are no plain texts.
 *
 * Thread: loader. A parameter of an operation replaces the one of its path.
 */
import { isObject } from '../../base/json-object.js';
import type { ParameterPart, ParameterStyle } from '../../filters/validation/options.js';
import type { JsonObject, Located } from './openapi-document.js';
import type { OpenapiPlace } from './openapi-place.js';
import { membersOf, shapesOf } from './openapi-shapes.js';

export interface OpenapiParameters {
  /** Schemas of objects; what has no parameter is not there. */
  readonly schemas: Partial<Readonly<Record<ParameterPart, JsonObject>>>;
  readonly styles: Partial<Readonly<Record<ParameterPart, readonly ParameterStyle[]>>>;
  /** For people: `query limit`. */
  readonly judged: readonly string[];
}

const PARTS: Readonly<Record<string, ParameterPart>> = {
  query: 'query',
  path: 'params',
  header: 'headers',
  cookie: 'cookies',
};

/** Header fields that OpenAPI says elsewhere, so that a parameter of the name means nothing. */
const IGNORED_FIELDS: ReadonlySet<string> = new Set(['accept', 'content-type', 'authorization']);

/** Members of one part of the request, as the schema of an object. */
class ObjectSchema {
  readonly styles: ParameterStyle[] = [];
  private readonly properties: Record<string, unknown> = {};
  private readonly required: string[] = [];
  private readonly definitions: Record<string, unknown> = {};

  add(name: string, schema: unknown, isRequired: boolean): void {
    if (isObject(schema) && isObject(schema['$defs'])) {
      Object.assign(this.definitions, schema['$defs']);
      const { $defs: _, ...rest } = schema;
      this.properties[name] = rest;
    } else this.properties[name] = schema;
    if (isRequired) this.required.push(name);
  }

  toSchema(): JsonObject | undefined {
    if (Object.keys(this.properties).length === 0) return undefined;
    return {
      type: 'object',
      properties: this.properties,
      required: this.required,
      ...(Object.keys(this.definitions).length > 0 && { $defs: this.definitions }),
    };
  }
}

/** By place and name. */
export type DeclaredParameters = ReadonlyMap<string, Located<JsonObject>>;

/** The lists of a path and of its operation as one. */
export function collectParameters(
  lists: readonly Located[],
  place: OpenapiPlace,
): DeclaredParameters {
  const byKey = new Map<string, Located<JsonObject>>();
  for (const { value: list, file } of lists) {
    if (list === undefined) continue;
    if (!Array.isArray(list)) place.notes.mistake(place.at, 'parameters must be a list');
    else for (const value of list) collect({ value, file }, byKey, place);
  }
  return byKey;
}

/** Parameters of the path; GitHub's extension says which take more than a segment. */
export function declaredNames(declared: DeclaredParameters): Map<string, boolean> {
  return new Map(
    Array.from(declared.values())
      .filter(({ value }) => value['in'] === 'path')
      .map(({ value }) => [String(value['name']), value['x-multi-segment'] === true]),
  );
}

/** `names`: of parameters of the path, as the route has them. */
export function readParameters(
  declared: DeclaredParameters,
  names: ReadonlyMap<string, string>,
  place: OpenapiPlace,
): OpenapiParameters {
  const parts = new Map<ParameterPart, ObjectSchema>();
  const judged: string[] = [];
  for (const parameter of declared.values()) {
    const where = String(parameter.value['in']);
    const name = String(parameter.value['name'] ?? '');
    if (where === 'header' && IGNORED_FIELDS.has(name.toLowerCase())) continue;
    const part = PARTS[where];
    if (part === undefined) {
      const shown = `the parameter ${JSON.stringify(name)} in ${JSON.stringify(where)}`;
      place.notes.unsupported(place.at, `${shown} is not judged`);
      continue;
    }
    const known = where === 'path' ? names.get(name) : nameOf(name, where);
    if (known === undefined) {
      const shown = `the path parameter ${JSON.stringify(name)}`;
      place.notes.unsupported(place.at, `${shown} is not in the path: it is not judged`);
      continue;
    }
    const object = parts.get(part) ?? new ObjectSchema();
    parts.set(part, object);
    const source = { name, where, known };
    if (addParameter(object, parameter, source, place)) judged.push(`${where} ${name}`);
  }
  const schemas: Partial<Record<ParameterPart, JsonObject>> = {};
  const styles: Partial<Record<ParameterPart, readonly ParameterStyle[]>> = {};
  for (const [part, object] of parts) {
    const schema = object.toSchema();
    if (schema === undefined) continue;
    schemas[part] = schema;
    if (object.styles.length > 0) styles[part] = object.styles;
  }
  return { schemas, styles, judged };
}

function collect(
  from: Located,
  byKey: Map<string, Located<JsonObject>>,
  { document, at, notes }: OpenapiPlace,
): void {
  const parameter = document.resolve(from, `${at}/parameters`, notes);
  if (parameter === undefined) return;
  byKey.set(`${String(parameter.value['in'])} ${String(parameter.value['name'])}`, parameter);
}

/** False: it is not judged, which is told. */
function addParameter(
  object: ObjectSchema,
  { value: parameter, file }: Located<JsonObject>,
  { name, where, known }: Record<'name' | 'where' | 'known', string>,
  place: OpenapiPlace,
): boolean {
  const here = `the ${where} parameter ${JSON.stringify(name)}`;
  const isRequired = parameter['required'] === true || where === 'path';
  const { content } = parameter;
  if (parameter['schema'] === undefined && isObject(content)) {
    return addContent(object, { content, file, known, isRequired, here }, place);
  }
  const convert = () =>
    place.schemas.convert({ value: parameter['schema'] ?? true, file }, place.at, place.notes);
  const schema = convert();
  const style = styleOf(parameter, where, schema);
  if (typeof style === 'string') {
    place.notes.unsupported(place.at, `${here} ${style}`);
    return false;
  }
  if (style !== null) object.styles.push({ ...style, name: known });
  const isOpen = parameter['allowEmptyValue'] === true;
  object.add(known, isOpen ? orEmpty(schema) : schema, isRequired);
  return true;
}

function nameOf(name: string, where: string): string {
  return where === 'header' ? name.toLowerCase() : name;
}

function orEmpty(schema: unknown): unknown {
  if (!isObject(schema)) return schema;
  const { $defs, ...rest } = schema;
  const choice = { anyOf: [{ enum: [''] }, rest] };
  return $defs === undefined ? choice : { ...choice, $defs };
}

interface ContentParameter {
  readonly content: JsonObject;
  readonly file: string;
  readonly known: string;
  readonly isRequired: boolean;
  readonly here: string;
}

function addContent(
  object: ObjectSchema,
  { content, file, known, isRequired, here }: ContentParameter,
  { document, schemas, at, notes }: OpenapiPlace,
): boolean {
  const [mediaType = '', value] = Object.entries(content)[0] ?? [];
  const media = document.resolve({ value, file }, at, notes);
  if (media === undefined || !/^application\/(?:[\w.-]+\+)?json\b/.test(mediaType)) {
    notes.unsupported(at, `${here} is ${mediaType || 'of no type'}, which is not judged`);
    return false;
  }
  const from = { value: media.value['schema'] ?? true, file: media.file };
  const schema = schemas.convert(from, at, notes);
  const style = { name: known, kind: 'json', style: 'form', isExploded: true } as const;
  object.styles.push({ ...style, isMixed: false, properties: [], schema });
  object.add(known, true, isRequired);
  return true;
}

const STYLES: Readonly<Record<string, readonly string[]>> = {
  query: ['form', 'spaceDelimited', 'pipeDelimited', 'deepObject'],
  path: ['simple', 'label', 'matrix'],
  header: ['simple'],
  cookie: ['form', 'cookie'],
};

/** How it is written; null: as plain text; a text: why that is not read. */
export function styleOf(
  parameter: JsonObject,
  where: string,
  schema: unknown,
): Omit<ParameterStyle, 'name'> | string | null {
  const known = STYLES[where] ?? [];
  const named = String(parameter['style'] ?? known[0]);
  if (!known.includes(named)) return `has the style ${JSON.stringify(named)}, which is not read`;
  // A cookie of 3.2 is a form without escapes, of which nothing else is known here.
  const style = (named === 'cookie' ? 'form' : named) as ParameterStyle['style'];
  const isExploded =
    typeof parameter['explode'] === 'boolean' ? parameter['explode'] : style === 'form';
  const shapes = shapesOf(schema);
  const isMixed = shapes.has('text') && shapes.size > 1;
  const written = { style, isExploded, isMixed, properties: [] };
  if (style === 'deepObject') {
    return { ...written, kind: shapes.has('list') && !shapes.has('object') ? 'list' : 'object' };
  }
  if (shapes.has('object')) {
    if (isMixed || shapes.has('list'))
      return 'may be an object or something else: it is not judged';
    const properties = membersOf(schema);
    const isSpread = style === 'form' && isExploded;
    if (isSpread && properties.length === 0)
      return 'is an object of unknown members: it is not judged';
    return { ...written, kind: 'object', properties };
  }
  if (shapes.has('list')) {
    const isSpread = where === 'cookie' && isExploded;
    return { ...written, kind: 'list', isExploded: isSpread ? false : isExploded };
  }
  return style === 'label' || style === 'matrix' ? { ...written, kind: 'text' } : null;
}
