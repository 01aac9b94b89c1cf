/**
 * Text with values of the request in it: `${claims.sub}`, `${params.id}`, `${clientIp}`.
 *
 * Thread: any (pure). Parsed once; what a value becomes depends on where it goes, since every one
 * of them was chosen by a client or by who issued its token.
 */
import { parseTemplate, type TemplatePart, type TemplateSource } from '../base/template-text.js';
import { hostName } from '../routing/host-name.js';
import { NO_MARKS, type NumberMarks } from './exact-numbers.js';
import type { RequestView } from './filter.js';

/** Where the text goes. */
export type TemplatePlace = 'path' | 'query' | 'field' | 'plain' | 'jsonString' | 'markup';

/** Null: a value is missing, or has no place there. */
export type Template = (request: RequestView) => string | null;

/** Compiles a checked text. */
export function compileTemplate(text: string, place: TemplatePlace): Template {
  const parsed = parseTemplate(text);
  if (!parsed.isValid) throw new Error(parsed.problem);
  // What the configuration writes into a query is a value as well.
  const parts = place === 'query' ? parsed.parts.map(encodeText) : parsed.parts;
  const [only] = parts;
  if (parts.length === 0) return () => '';
  if (parts.length === 1 && typeof only === 'string') return () => only;
  const encode = ESCAPES[place];
  return (request) => {
    const made = evaluate(parts, request, encode);
    return made !== null && place === 'path' && hasDotSegment(made) ? null : made;
  };
}

/** The document that `${body.NAME}` reads. */
export interface TemplateBody {
  readonly document: unknown;
  readonly marks: NumberMarks;
}

/** A value of JSON; undefined: it is missing. `body`: null where there is none to read. */
export type JsonTemplate = (request: RequestView, body: TemplateBody | null) => unknown;

/** The value as it is when the text is one source and no more. */
export function compileJsonTemplate(text: string): JsonTemplate {
  const parsed = parseTemplate(text);
  if (!parsed.isValid) throw new Error(parsed.problem);
  const { parts } = parsed;
  const [only] = parts;
  if (parts.length === 0) return () => '';
  if (parts.length === 1 && typeof only === 'string') return () => only;
  if (parts.length === 1 && typeof only === 'object') {
    return (request, body) => readSource(only, request, body);
  }
  return (request, body) => evaluate(parts, request, ESCAPES.plain, body) ?? undefined;
}

function encodeText(part: TemplatePart): TemplatePart {
  return typeof part === 'string' ? escapeComponent(part) : part;
}

function evaluate(
  parts: readonly TemplatePart[],
  request: RequestView,
  encode: (value: string) => string,
  body: TemplateBody | null = null,
): string | null {
  let text = '';
  for (const part of parts) {
    if (typeof part === 'string') {
      text += part;
      continue;
    }
    const marks = part.root === 'body' && body !== null ? body.marks : NO_MARKS;
    const value = textOf(readSource(part, request, body), marks);
    if (value === null) return null;
    text += isUrlPart(part, encode)
      ? value
      : part.name === '*'
        ? escapeRest(value, encode)
        : encode(value);
  }
  return text;
}

/** Spelled as URLs are already, and goes into one. */
function isUrlPart({ root, name }: TemplateSource, encode: (value: string) => string): boolean {
  return encode === escapeComponent && root === 'request' && (name === 'path' || name === 'query');
}

const ESCAPES: Readonly<Record<TemplatePlace, (value: string) => string>> = {
  path: escapeComponent,
  query: escapeComponent,
  field: escapeField,
  plain: (value) => value,
  jsonString: (value) => JSON.stringify(value).slice(1, -1),
  markup: (value) => value.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`),
};

/** What a star took has slashes, which stay. */
function escapeRest(value: string, encode: (value: string) => string): string {
  return value.split('/').map(encode).join('/');
}

function escapeComponent(value: string): string {
  return encodeURIComponent(wellFormed(value));
}

/** A lone surrogate has no bytes: encodeURIComponent would throw. */
function wellFormed(value: string): string {
  return value.replace(/\p{Surrogate}/gu, '\ufffd');
}

/** Beyond visible ASCII nothing is safe in a field: it is percent-encoded as UTF-8. */
function escapeField(value: string): string {
  return /^[\x20-\x7e]*$/.test(value)
    ? value.trim()
    : wellFormed(value)
        .trim()
        .replace(/[^\x20-\x7e]+/g, encodeURIComponent);
}

/** What a target would resolve, or take for no segment at all. */
function hasDotSegment(path: string): boolean {
  return /\/(?:\/|\.{1,2}(?:[/?]|$))/.test(path.replace(/^https?:\/\//, '').replace(/\?.*$/, ''));
}

function textOf(value: unknown, marks: NumberMarks): string | null {
  switch (typeof value) {
    case 'string':
      return marks.plain(value);
    case 'number':
    case 'boolean':
    case 'bigint':
      return String(value);
    case 'object':
      if (value === null) return null;
      return Array.isArray(value) && value.every((one) => isText(one, marks))
        ? value.join(' ')
        : marks.restore(JSON.stringify(value));
    default:
      return null;
  }
}

/** A text that stands for a number is none. */
function isText(value: unknown, marks: NumberMarks): boolean {
  return typeof value === 'string' && marks.plain(value) === value;
}

function readSource(
  source: TemplateSource,
  request: RequestView,
  body: TemplateBody | null,
): unknown {
  const { root, name } = source;
  switch (root) {
    case 'clientIp':
      return request.clientIp;
    case 'params':
      return request.params[name];
    case 'claims':
      return memberOf(request.claims, name);
    case 'body':
      return body === null ? undefined : bodyValue(body.document, name);
    case 'headers': {
      const values = request.fields.values(name.toLowerCase());
      return values.length === 0 ? undefined : values.join(', ');
    }
    case 'query':
      return new URLSearchParams(request.query).get(name) ?? undefined;
    default:
      return requestPart(request, name);
  }
}

function requestPart(request: RequestView, name: string): string | undefined {
  switch (name) {
    case 'id':
      return request.requestId;
    case 'method':
      return request.method;
    case 'path':
      return request.path;
    case 'query':
      return request.query;
    case 'host':
      return request.fields.host;
    case 'hostname':
      return hostName(request.fields.host);
    case 'scheme':
      return request.scheme;
    case 'consumer':
      return request.consumer === '' ? undefined : request.consumer;
    default:
      return undefined;
  }
}

/** `*` is the whole document. */
function bodyValue(document: unknown, name: string): unknown {
  return name === '*' ? document : memberOf(document, name);
}

/** A member by its own name, else a path of names; items of lists have their place for a name. */
function memberOf(whole: unknown, name: string): unknown {
  if (typeof whole !== 'object' || whole === null) return undefined;
  if (hasMember(whole, name)) return Reflect.get(whole, name);
  let value: unknown = whole;
  for (const key of name.split('.')) {
    if (typeof value !== 'object' || value === null || !hasMember(value, key)) return undefined;
    value = Reflect.get(value, key);
  }
  return value;
}

/** A list has `length` of its own as well, which no document says. */
function hasMember(value: object, name: string): boolean {
  return Object.hasOwn(value, name) && !(Array.isArray(value) && name === 'length');
}
