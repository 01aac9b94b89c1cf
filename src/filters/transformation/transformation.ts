/**
 * Changes the head of a request: where it goes, its query, its fields.
 *
 * Thread: worker. Removing and replacing fields by fixed texts is not done here: the forwarder does
 * that for nothing while it writes the head.
 */
import { PROBLEMS } from '../../base/problems.js';
import { stripSentPrefix } from '../../routing/strip-prefix.js';
import { TYPE_OF_FORMAT } from '../collected-body.js';
import type {
  EditableRequest,
  EditStep,
  FilterSteps,
  ReplyBodyEdit,
  ReplyStep,
  RequestBodySteps,
  RequestView,
} from '../filter.js';
import { refusal } from '../local-reply.js';
import { compileTemplate, type Template } from '../template.js';
import { compileBodyEditor, requestBodyStep } from './body-edits.js';
import type { CompiledBodyEdits, CompiledFieldEdits, CompiledTransformation } from './options.js';
import { compileQueryEdits } from './query-edits.js';
import { cookiesStep, urlsStep } from './reply-names.js';

/** What says how a body is encoded, or what it adds up to: no longer true once it is changed. */
const DIGEST_FIELDS = ['content-md5', 'digest', 'content-digest', 'repr-digest'];
const TYPE_FIELD = 'content-type';
/** By these a target would send a part of a document, or a coded one. */
const PARTIAL_FIELDS = ['accept-encoding', 'range', 'if-range'];

export function transformationSteps(
  options: CompiledTransformation,
): FilterSteps<'edit' | 'requestBody' | 'droppedFields' | 'replyHead' | 'replyBody'> {
  const { headers, body, replyBody } = options;
  return {
    edit: editStep(options),
    requestBody: body === null ? null : requestBodySteps(body),
    droppedFields: [
      ...(headers === null ? [] : droppedNames(headers)),
      ...(body === null ? [] : DIGEST_FIELDS),
      ...(changesFormat(body) ? [TYPE_FIELD] : []),
      ...(replyBody === null ? [] : PARTIAL_FIELDS),
    ],
    replyHead: replyHeadStep(options),
    replyBody:
      replyBody === null ? null : { ...formatsOf(replyBody), edit: compileBodyEditor(replyBody) },
  };
}

function formatsOf({ maxBytes, from, to }: CompiledBodyEdits): Omit<ReplyBodyEdit, 'edit'> {
  return { maxBytes, from, to };
}

function changesFormat(body: CompiledBodyEdits | null): body is CompiledBodyEdits {
  return body !== null && body.from !== body.to;
}

function requestBodySteps(edits: CompiledBodyEdits): RequestBodySteps {
  const step = requestBodyStep(edits);
  return { maxBytes: edits.maxBytes, limits: null, step, isNeeded: () => true };
}

/** Null: nothing is to be done for each request. */
function editStep(options: CompiledTransformation): EditStep | null {
  const target = targetMaker(options);
  const fields = fieldsMaker(options);
  if (target === null && fields === null) return null;
  return (request) => {
    if (fields !== null) request.addedFields = fields(request);
    if (target === null) return null;
    const made = target(request);
    if (made === null) return PATH_FAILED;
    request.rewrittenTarget = made;
    return null;
  };
}

type FieldMaker = (request: EditableRequest) => string[];

/** Null: no field is added. */
function fieldsMaker({ headers, body }: CompiledTransformation): FieldMaker | null {
  const named = headers === null ? null : fieldMaker(headers);
  if (!changesFormat(body)) return named;
  const type = TYPE_OF_FORMAT[body.to];
  return (request) => {
    const fields = named === null ? [] : named(request);
    if (request.bodyBytes !== 0) fields.push(TYPE_FIELD, type);
    else for (const one of request.fields.values(TYPE_FIELD)) fields.push(TYPE_FIELD, one);
    return fields;
  };
}

const PATH_FAILED = refusal(
  PROBLEMS.rewriteFailed,
  'The path for the service cannot be made: a value is missing, or is no name.',
);

/** Names of fields that do not go on as they came. */
function droppedNames(edits: CompiledFieldEdits): string[] {
  return [...edits.remove, ...edits.set.map(([name]) => name), ...edits.rename.flat()];
}

function targetMaker(
  options: CompiledTransformation,
): ((request: EditableRequest) => string | null) | null {
  const { stripPrefix, addPrefix, path, query } = options;
  if (path === '' && addPrefix === '' && query === null) return null;
  const pathTemplate = path === '' ? null : compileTemplate(path, 'path');
  const editQuery = query === null ? null : compileQueryEdits(query);
  return (request) => {
    const made =
      pathTemplate === null
        ? addPrefix + stripSentPrefix(stripPrefix, request.path, request.sentPath)
        : pathTemplate(request);
    if (made === null) return null;
    return made + (editQuery === null ? request.query : editQuery(request));
  };
}

/** The fields that go to the target beside those that are not dropped. */
function fieldMaker(edits: CompiledFieldEdits): FieldMaker {
  const set = compileFields([...edits.set, ...edits.add]);
  return (request) => {
    const fields: string[] = [];
    for (const [from, to] of edits.rename) {
      const values = request.fields.values(from);
      // One that has the new name already keeps it.
      for (const value of values.length > 0 ? values : request.fields.values(to)) {
        fields.push(to, value);
      }
    }
    for (const { name, value } of set) {
      const text = value(request);
      if (text !== null) fields.push(name, text);
    }
    return fields;
  };
}

interface CompiledField {
  readonly name: string;
  readonly value: Template;
}

function compileFields(fields: readonly (readonly [string, string])[]): CompiledField[] {
  return fields.map(([name, text]) => ({ name, value: compileTemplate(text, 'field') }));
}

/** Null: nothing of it is changed. Fields come last: what they set stands. */
function replyHeadStep({
  replyUrls,
  replyCookies,
  replyHeaders,
}: CompiledTransformation): ReplyStep | null {
  const steps: ReplyStep[] = [];
  if (replyUrls !== null) steps.push(urlsStep(replyUrls));
  if (replyCookies !== null) steps.push(cookiesStep(replyCookies));
  if (replyHeaders !== null) steps.push(replyFieldsStep(replyHeaders));
  const [only, ...others] = steps;
  if (only === undefined || others.length === 0) return only ?? null;
  return (head, request) => {
    for (const step of steps) step(head, request);
  };
}

/** Changes the fields of the target's replies. */
function replyFieldsStep(edits: CompiledFieldEdits): ReplyStep {
  const set = compileFields(edits.set);
  const add = compileFields(edits.add);
  const removed = new Set(edits.remove);
  return (head, request: RequestView) => {
    if (head.isLocal) return;
    for (const [from, to] of edits.rename) {
      const values = head.values(from);
      if (values.length === 0) continue;
      head.removeWhere((name) => name === from || name === to);
      for (const value of values) head.add(to, value);
    }
    if (removed.size > 0) head.removeWhere((name) => removed.has(name));
    for (const { name, value } of set) {
      head.remove(name);
      const text = value(request);
      if (text !== null) head.add(name, text);
    }
    for (const { name, value } of add) {
      const text = value(request);
      if (text !== null) head.add(name, text);
    }
  };
}
