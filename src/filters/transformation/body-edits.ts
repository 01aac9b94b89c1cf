/**
 * Changes members of a document, or makes another one of it.
 *
 * Thread: worker. Members are own properties, always: no name in a body or in the configuration
 * reaches what belongs to all objects.
 */
import { PROBLEMS } from '../../base/problems.js';
import {
  type BodyFormats,
  type CollectedBody,
  isCoded,
  isOfFormat,
  parseContentType,
  type RewriteProblem,
} from '../collected-body.js';
import type { BodyEditor, BodyStep, ReplyBodyEdit, RequestView } from '../filter.js';
import { type BodyFormat, FORM_TYPE } from '../form-text.js';
import { refusal } from '../local-reply.js';
import { compileJsonTemplate, type JsonTemplate } from '../template.js';
import { EVERY } from './body-pointer.js';
import type { BodyTemplate, CompiledBodyEdits } from './options.js';

/** Changes the bodies of requests; what cannot be changed is refused. */
export function requestBodyStep(edits: CompiledBodyEdits): BodyStep {
  const plan = { from: edits.from, to: edits.to, edit: compileBodyEditor(edits) };
  const wrongType = refusal(
    PROBLEMS.unsupportedMediaType,
    `This route takes ${TAKES[edits.from]}.`,
  );
  return (body, request) => {
    if (body.isEmpty) return null;
    const [type = '', second] = request.fields.values('content-type');
    const { mediaType, charset } = parseContentType(type);
    // Of two types the target could go by the other one.
    const isReadable = second === undefined && (charset === '' || charset === 'utf-8');
    const isPlain = !isCoded(request.fields.values('content-encoding'));
    if (!isOfFormat(mediaType, edits.from) || !isReadable || !isPlain) return wrongType;
    const problem = editBody(body, plan, request);
    return problem === null ? null : refusal(PROBLEMS.validationFailed, problemText(plan, problem));
  };
}

const TAKES: Readonly<Record<BodyFormat, string>> = {
  json: 'JSON in UTF-8 only',
  form: `forms (${FORM_TYPE}) in UTF-8 only`,
};
const NAMES: Readonly<Record<BodyFormat, string>> = { json: 'JSON', form: 'a form' };

function problemText({ from, to }: BodyFormats, { at, detail }: RewriteProblem): string {
  return at === 'read'
    ? `The body cannot be read as ${NAMES[from]}: ${detail}.`
    : `The body cannot be written as ${NAMES[to]}: ${detail}.`;
}

/** null: it is done. */
export function editBody(
  body: CollectedBody,
  plan: BodyFormats & Pick<ReplyBodyEdit, 'edit'>,
  request: RequestView,
): RewriteProblem | null {
  return body.rewrite(plan, (document, marks) => plan.edit(document, request, marks));
}

/** Compiles a template, or changes of what has come. */
export function compileBodyEditor(edits: CompiledBodyEdits): BodyEditor {
  return edits.template === null ? compileBodyEdits(edits) : compileBodyTemplate(edits.template);
}

/** Makes the document anew; what a text of it becomes is a value, and never a part of JSON. */
export function compileBodyTemplate({ value }: BodyTemplate): BodyEditor {
  const make = compileValue(value);
  return (document, request, marks) => make(request, { document, marks });
}

/** Compiles the changes: first renames, then removals, then what is set. */
export function compileBodyEdits(
  edits: Pick<CompiledBodyEdits, 'set' | 'remove' | 'rename'>,
): (document: unknown, request: RequestView) => unknown {
  const renames = edits.rename.map(compileRename);
  const set = edits.set.map(({ keys, value }) => ({ keys, make: compileValue(value) }));
  return (document, request) => {
    for (const rename of renames) rename(document);
    for (const keys of edits.remove) remove(document, keys);
    for (const { keys, make } of set) put(document, keys, () => make(request, null));
    return document;
  };
}

/** Both pointers are the same as far as their last star (checkRenames says so). */
function compileRename({ from, to }: CompiledBodyEdits['rename'][number]) {
  const shared = from.lastIndexOf(EVERY) + 1;
  const [parents, oldKeys, newKeys] = [from.slice(0, shared), from.slice(shared), to.slice(shared)];
  return (document: unknown): void => {
    forEachAt(document, parents, 0, (parent) => {
      const value = take(parent, oldKeys);
      if (value !== undefined) put(parent, newKeys, () => value);
    });
  };
}

function compileValue(value: unknown): JsonTemplate {
  if (typeof value === 'string') {
    return value.includes('${') ? compileJsonTemplate(value) : () => value;
  }
  if (typeof value !== 'object' || value === null) return () => value;
  if (Array.isArray(value)) {
    const items = value.map(compileValue);
    return (request, body) => items.map((item) => item(request, body) ?? null);
  }
  const members = Object.entries(value).map(([name, item]) => [name, compileValue(item)] as const);
  return (request, body) =>
    Object.fromEntries(members.map(([name, item]) => [name, item(request, body)]));
}

/** Calls `visit` with every value to which the keys from `at` on lead. */
function forEachAt(
  value: unknown,
  keys: readonly string[],
  at: number,
  visit: (value: unknown) => void,
): void {
  const key = keys[at];
  if (key === undefined) visit(value);
  else if (key !== EVERY) {
    const member = memberOf(value, key);
    if (member !== undefined) forEachAt(member, keys, at + 1, visit);
  } else if (typeof value === 'object' && value !== null) {
    for (const member of Object.values(value)) forEachAt(member, keys, at + 1, visit);
  }
}

/** Removes the members to which the keys lead. */
function remove(document: unknown, keys: readonly string[]): void {
  const last = keys.at(-1) ?? '';
  forEachAt(document, keys.slice(0, -1), 0, (parent) => {
    if (last !== EVERY) take(parent, [last]);
    else if (Array.isArray(parent)) parent.length = 0;
    else if (typeof parent === 'object' && parent !== null) {
      for (const name of Object.keys(parent)) Reflect.deleteProperty(parent, name);
    }
  });
}

/** Takes the one member away to which keys without a star lead; undefined: it is not there. */
function take(document: unknown, keys: readonly string[]): unknown {
  const last = keys.at(-1) ?? '';
  const parent = keys.slice(0, -1).reduce<unknown>((value, key) => memberOf(value, key), document);
  const value = memberOf(parent, last);
  if (value === undefined) return undefined;
  if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else Reflect.deleteProperty(parent as object, last);
  return value;
}

/**
 * Puts a value where the keys lead, if lists and values on the way let it. The value is made for
 * each place, so that no two places share one. A value that is missing (undefined) must not leave
 * the client's own in its place.
 */
function put(document: unknown, keys: readonly string[], make: () => unknown): void {
  const star = keys.indexOf(EVERY);
  if (star !== -1 && star < keys.length - 1) {
    const rest = keys.slice(star + 1);
    forEachAt(document, keys.slice(0, star + 1), 0, (member) => put(member, rest, make));
    return;
  }
  const value = make();
  if (value === undefined) {
    remove(document, keys);
    return;
  }
  if (star === -1) {
    putOne(document, keys, value);
    return;
  }
  forEachAt(document, keys.slice(0, -1), 0, (parent) => {
    if (typeof parent !== 'object' || parent === null) return;
    for (const name of Object.keys(parent)) setMember(parent, name, make());
  });
}

/** The same for keys without a star. */
function putOne(document: unknown, keys: readonly string[], value: unknown): void {
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
