/**
 * Messages of Protocol Buffers from JSON and back, by a set of descriptors.
 *
 * Thread: worker. Loaded only where a route has need of it. JSON is that of the Protocol Buffers
 * specification, which the library passes the conformance tests of.
 */
import {
  createFileRegistry,
  type DescField,
  type DescMessage,
  type FileRegistry,
  fromBinary,
  fromJson,
  type JsonValue,
  ScalarType,
  toBinary,
  toJson,
} from '@bufbuild/protobuf';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { type Any, AnySchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { isObject } from '../../base/json-object.js';
import type { HttpRule, RuleVariable } from './http-rules.js';

/** A request that cannot be a message. The message says what is wrong, for its client. */
export class TranscodingError extends Error {}

type JsonObject = Record<string, JsonValue>;

/** Throws where the descriptors are not complete. */
export function registryOf(base64: string): FileRegistry {
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, Buffer.from(base64, 'base64')));
}

/** What of a request goes into the message. */
export interface JsonRequest {
  /** undefined: there is no body. */
  readonly body: JsonValue | undefined;
  readonly params: Readonly<Record<string, string | undefined>>;
  readonly query: URLSearchParams;
}

export class Transcoder {
  private readonly input: DescMessage;
  private readonly output: DescMessage;

  constructor(
    private readonly rule: HttpRule,
    private readonly registry: FileRegistry,
  ) {
    this.input = messageOf(registry, rule.input);
    this.output = messageOf(registry, rule.output);
  }

  /** Throws TranscodingError. */
  encode({ body, params, query }: JsonRequest): Uint8Array {
    const { rule, registry } = this;
    const json = this.bodyOf(body);
    const taken = new Set(rule.variables.map(({ field }) => field));
    for (const [name, value] of query) this.addParameter(json, name, value, taken);
    for (const variable of rule.variables) this.addVariable(json, variable, params);
    try {
      return toBinary(this.input, fromJson(this.input, json, { registry }));
    } catch (error) {
      throw new TranscodingError(error instanceof Error ? error.message : 'not such a message');
    }
  }

  private bodyOf(body: JsonValue | undefined): JsonObject {
    const { body: place } = this.rule;
    if (place === '' && body !== undefined) throw new TranscodingError('no body is expected');
    if (body === undefined || place === '') return {};
    if (place !== '*') return { [place]: body };
    if (body === null || typeof body !== 'object' || Array.isArray(body)) {
      throw new TranscodingError('the body must be a JSON object');
    }
    return { ...body };
  }

  private addVariable(
    json: JsonObject,
    { field, parts }: RuleVariable,
    params: JsonRequest['params'],
  ): void {
    const values = parts.map((part) => {
      if (part === '*') return params['*'] ?? '';
      return part.startsWith(':') ? (params[part.slice(1)] ?? '') : part;
    });
    this.set(json, field, values.join('/'));
  }

  private addParameter(
    json: JsonObject,
    name: string,
    value: string,
    taken: ReadonlySet<string>,
  ): void {
    const { body } = this.rule;
    const isTaken = body === '*' || taken.has(name) || name === body || name.startsWith(`${body}.`);
    if (isTaken && (body !== '' || taken.has(name))) {
      throw new TranscodingError(`the query must not have ${name}`);
    }
    this.set(json, name, value);
  }

  /** Puts a text where a field of the message is, as that field's type wants it. */
  private set(json: JsonObject, path: string, value: string): void {
    let desc = this.input;
    let at = json;
    const names = path.split('.');
    for (const [depth, name] of names.entries()) {
      const field = fieldOf(desc, name);
      if (field === undefined) throw new TranscodingError(`there is no field ${path}`);
      if (depth === names.length - 1) {
        put(at, field, value);
        return;
      }
      if (field.fieldKind !== 'message') throw new TranscodingError(`there is no field ${path}`);
      const inner = at[field.jsonName];
      const next: JsonObject = isObject(inner) ? inner : {};
      at[field.jsonName] = next;
      [at, desc] = [next, field.message];
    }
  }

  /** Of a status that a call ended with: `base64` is the field of that name. */
  details(base64: string): JsonValue[] {
    return statusDetails(base64, this.registry);
  }

  /** A message of a reply. Throws where it is not what the descriptors say. */
  decode(message: Uint8Array): string {
    const { registry, rule } = this;
    const json = toJson(this.output, fromBinary(this.output, message), {
      registry,
      alwaysEmitImplicit: true,
    });
    if (rule.responseBody === '') return JSON.stringify(json);
    const field = fieldOf(this.output, rule.responseBody);
    const part = isObject(json) && field !== undefined ? json[field.jsonName] : undefined;
    return JSON.stringify(part ?? null);
  }
}

/** Of google.rpc.Status: what says more than its code and its message. */
const DETAILS_FIELD = 3;

/**
 * The details of a status, from the field grpc-status-details-bin. What the descriptors do not know
 * stays in base64; what cannot be read at all is left out.
 */
export function statusDetails(base64: string, registry: FileRegistry): JsonValue[] {
  if (base64 === '') return [];
  try {
    return readDetails(Buffer.from(base64, 'base64')).map((detail) => detailOf(detail, registry));
  } catch {
    return [];
  }
}

function readDetails(status: Uint8Array): Any[] {
  const reader = new BinaryReader(status);
  const details: Any[] = [];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === DETAILS_FIELD) details.push(fromBinary(AnySchema, reader.bytes()));
    else reader.skip(wireType, field);
  }
  return details;
}

function detailOf(detail: Any, registry: FileRegistry): JsonValue {
  try {
    return toJson(AnySchema, detail, { registry, alwaysEmitImplicit: true });
  } catch {
    const value = Buffer.from(detail.value).toString('base64');
    return { '@type': detail.typeUrl, value };
  }
}

function messageOf(registry: FileRegistry, name: string): DescMessage {
  const found = registry.getMessage(name);
  if (found === undefined) throw new Error(`the descriptors have no message ${name}`);
  return found;
}

function fieldOf(desc: DescMessage, name: string): DescField | undefined {
  return desc.fields.find((field) => field.name === name || field.jsonName === name);
}

/** Numbers are numbers in JSON as texts too; truth values are not. */
function put(at: JsonObject, field: DescField, text: string): void {
  const { jsonName } = field;
  const isBool = 'scalar' in field && field.scalar === ScalarType.BOOL;
  const value = isBool && (text === 'true' || text === 'false') ? text === 'true' : text;
  // A field has one of both names; what a body says of it is said once.
  if (field.name !== jsonName) delete at[field.name];
  if (field.fieldKind !== 'list') {
    at[jsonName] = value;
    return;
  }
  const list = at[jsonName];
  if (Array.isArray(list)) list.push(value);
  else at[jsonName] = [value];
}
