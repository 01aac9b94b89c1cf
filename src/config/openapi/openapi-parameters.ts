/**
 * The parameters of an operation, as one schema for each part of the request.
 *
 * Thread: acceptor. A parameter of an operation replaces the one of its path. Cookies are not
 * looked at by any filter, which is told.
 */
import { isObject, type JsonObject, type OpenapiPlace, paramName } from './openapi-document.js';

/** Schemas of objects; what has no parameter is not there. */
export interface ParameterSchemas {
  readonly query?: JsonObject;
  readonly params?: JsonObject;
  readonly headers?: JsonObject;
}

/** Header fields that OpenAPI says elsewhere, so that a parameter of the name means nothing. */
const IGNORED_FIELDS: ReadonlySet<string> = new Set(['accept', 'content-type', 'authorization']);

class ObjectSchema {
  readonly properties: Record<string, unknown> = {};
  readonly required: string[] = [];
  readonly definitions: Record<string, unknown> = {};

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

/** Reads the lists of a path and of its operation. */
export function readParameters(lists: readonly unknown[], place: OpenapiPlace): ParameterSchemas {
  const byKey = new Map<string, JsonObject>();
  for (const list of lists) {
    if (list === undefined) continue;
    if (!Array.isArray(list)) place.problems.push(`${place.at}: parameters must be a list`);
    else for (const one of list) collect(one, byKey, place);
  }
  const parts = { query: new ObjectSchema(), path: new ObjectSchema(), header: new ObjectSchema() };
  for (const parameter of byKey.values()) addTo(parts, parameter, place);
  const [query, params, headers] = [parts.query, parts.path, parts.header].map((part) =>
    part.toSchema(),
  );
  return {
    ...(query !== undefined && { query }),
    ...(params !== undefined && { params }),
    ...(headers !== undefined && { headers }),
  };
}

function collect(value: unknown, byKey: Map<string, JsonObject>, place: OpenapiPlace): void {
  const parameter = place.document.resolve(value, `${place.at}/parameters`, place.problems);
  if (parameter === undefined) return;
  byKey.set(`${String(parameter['in'])} ${String(parameter['name'])}`, parameter);
}

type Parts = Readonly<Record<'query' | 'path' | 'header', ObjectSchema>>;

function addTo(
  parts: Parts,
  parameter: JsonObject,
  { at, document, problems }: OpenapiPlace,
): void {
  const name = String(parameter['name'] ?? '');
  const where = parameter['in'];
  const here = `${at}: the parameter ${name}`;
  if (where !== 'query' && where !== 'path' && where !== 'header') {
    problems.push(`${here} is in ${JSON.stringify(where)}: take query, path or header`);
    return;
  }
  if (where === 'header' && IGNORED_FIELDS.has(name.toLowerCase())) return;
  if (parameter['schema'] === undefined) {
    problems.push(`${here} has no schema (content is not supported)`);
    return;
  }
  const style = styleProblem(parameter, document.schema(parameter['schema'], at, []));
  if (style !== undefined) problems.push(`${here} ${style}`);
  const schema = document.schema(parameter['schema'], at, problems);
  const isRequired = parameter['required'] === true || where === 'path';
  const known = where === 'header' ? name.toLowerCase() : where === 'path' ? paramName(name) : name;
  parts[where].add(known, schema, isRequired);
}

/** Only texts and, in queries, repeated texts can be told from what HTTP carries. */
function styleProblem(parameter: JsonObject, schema: unknown): string | undefined {
  const { in: where, style, explode } = parameter;
  const type = isObject(schema) ? schema['type'] : undefined;
  const isOf = (name: string) => type === name || (Array.isArray(type) && type.includes(name));
  if (isOf('object')) return 'is an object, which is not supported';
  if (!isOf('array')) return undefined;
  if (where !== 'query') return `is a list in a ${String(where)}, which is not supported`;
  const isRepeated = (style === undefined || style === 'form') && explode !== false;
  return isRepeated ? undefined : 'is a list that is not written as repeated parameters';
}
