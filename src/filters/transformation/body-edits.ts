/**
 * Changes members of a JSON document.
 *
 * Thread: worker. Members are own properties, always: no name in a body or in the configuration
 * reaches what belongs to all objects.
 */
import { PROBLEMS } from '../../base/problems.js';
import { type CollectedBody, isCoded, isJsonType, parseContentType } from '../collected-body.js';
import type { BodyStep, RequestView } from '../filter.js';
import { refusal } from '../local-reply.js';
import { compileJsonTemplate } from '../template.js';
import type { CompiledBodyEdits } from './options.js';

/** Changes a document and returns it. */
export type BodyEditor = (document: unknown, request: RequestView) => unknown;

/** Changes the bodies of requests; what cannot be changed is refused. */
export function requestBodyStep(edits: CompiledBodyEdits): BodyStep {
  const edit = compileBodyEdits(edits);
  return (body, request) => {
    const [type = '', second] = request.fields.values('content-type');
    const { mediaType, charset } = parseContentType(type);
    // Of two types the target could go by the other one.
    const isReadable = second === undefined && (charset === '' || charset === 'utf-8');
    const isPlain = !isCoded(request.fields.values('content-encoding'));
    if (!isJsonType(mediaType) || !isReadable || !isPlain) return NOT_JSON;
    return editBody(body, edit, request)
      ? null
      : refusal(PROBLEMS.validationFailed, 'The body cannot be read as JSON.');
  };
}

const NOT_JSON = refusal(PROBLEMS.unsupportedMediaType, 'This route takes JSON in UTF-8 only.');

/** False: it is no JSON. */
export function editBody(body: CollectedBody, edit: BodyEditor, request: RequestView): boolean {
  return body.editJson((document) => edit(document, request));
}

/** Compiles the changes: first renames, then removals, then what is set. */
export function compileBodyEdits(edits: CompiledBodyEdits): BodyEditor {
  const set = edits.set.map(({ keys, value }) => ({ keys, make: compileValue(value) }));
  return (document, request) => {
    for (const { from, to } of edits.rename) {
      const value = take(document, from);
      if (value !== undefined) put(document, to, value);
    }
    for (const keys of edits.remove) take(document, keys);
    for (const { keys, make } of set) {
      const value = make(request);
      // A value that is missing must not leave the client's own in its place.
      if (value === undefined) take(document, keys);
      else put(document, keys, value);
    }
    return document;
  };
}

function compileValue(value: unknown): (request: RequestView) => unknown {
  if (typeof value === 'string') {
    return value.includes('${') ? compileJsonTemplate(value) : () => value;
  }
  if (typeof value !== 'object' || value === null) return () => value;
  if (Array.isArray(value)) {
    const items = value.map(compileValue);
    return (request) => items.map((item) => item(request) ?? null);
  }
  const members = Object.entries(value).map(([name, item]) => [name, compileValue(item)] as const);
  return (request) => Object.fromEntries(members.map(([name, item]) => [name, item(request)]));
}

/** Takes a member away and returns it; undefined: it is not there. */
function take(document: unknown, keys: readonly string[]): unknown {
  const last = keys.at(-1) ?? '';
  const parent = keys.slice(0, -1).reduce<unknown>((value, key) => memberOf(value, key), document);
  const value = memberOf(parent, last);
  if (value === undefined) return undefined;
  if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else Reflect.deleteProperty(parent as object, last);
  return value;
}

/** Puts a value where the keys lead, if lists and values on the way let it. */
function put(document: unknown, keys: readonly string[], value: unknown): void {
  let parent = document;
  for (const key of keys.slice(0, -1)) {
    let child = memberOf(parent, key);
    if (child === undefined || child === null) {
      child = {};
      if (!setMember(parent, key, child)) return;
    }
    parent = child;
  }
  setMember(parent, keys.at(-1) ?? '', value);
}

function memberOf(parent: unknown, key: string): unknown {
  if (typeof parent !== 'object' || parent === null) return undefined;
  if (Array.isArray(parent) && !isIndex(key)) return undefined;
  return Object.hasOwn(parent, key) ? Reflect.get(parent, key) : undefined;
}

function setMember(parent: unknown, key: string, value: unknown): boolean {
  if (typeof parent !== 'object' || parent === null) return false;
  if (Array.isArray(parent)) {
    const index = key === '-' ? parent.length : isIndex(key) ? Number(key) : -1;
    // A gap would be filled with nulls, as many as the pointer says.
    if (index < 0 || index > parent.length) return false;
    parent[index] = value;
    return true;
  }
  const member = { value, enumerable: true, writable: true, configurable: true };
  return Reflect.defineProperty(parent, key, member);
}

function isIndex(key: string): boolean {
  return /^(?:0|[1-9]\d{0,8})$/.test(key);
}
