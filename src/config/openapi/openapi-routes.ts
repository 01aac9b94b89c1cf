/**
 * Routes and their validation out of an OpenAPI 3.0, 3.1 or 3.2 document: one for each operation.
 *
 * Thread: loader. What the document says and a gateway cannot hold requests to is told, with the
 * place in the document and for each operation; nothing is skipped in silence.
 */

import { HTTP_METHODS, isInEveryMethod } from '../../base/http-method.js';
import { childPointer } from '../../base/json-pointer.js';
import type { ReadDocument } from '../../filters/filter-options.js';
import type { CompiledValidation } from '../../filters/validation/options.js';
import { type PatternSegment, parsePathPattern, patternShape } from '../../routing/path-pattern.js';
import { METHOD_TEXT } from '../../schema/text-shapes.js';
import type { OpenapiScope } from '../compiled-config.js';
import { readDocument } from '../references/document-file.js';
import { readBody } from './openapi-body.js';
import { type JsonObject, type Located, OpenapiDocument } from './openapi-document.js';
import { type OpenapiNote, OpenapiNotes } from './openapi-notes.js';
import { collectParameters, declaredNames, readParameters } from './openapi-parameters.js';
import { readTemplate } from './openapi-path.js';
import type { OpenapiPlace } from './openapi-place.js';
import { OpenapiSchemas } from './openapi-schema.js';

/** One operation of a document. */
export interface OpenapiOperation {
  /** For the route: `operationId`, or method and path. */
  readonly name: string;
  readonly method: string;
  /** As a route has it, with the prefix. */
  readonly path: string;
  readonly validation: Omit<CompiledValidation, 'maxBodyBytes' | 'maxDepth' | 'maxMembers'>;
  readonly scope: OpenapiScope;
}

/** All operations, and what is said about the document. */
export interface OpenapiResult {
  readonly operations: readonly OpenapiOperation[];
  /** The document cannot be used. */
  readonly mistakes: readonly string[];
  /** What is not judged, or has no route. */
  readonly unsupported: readonly string[];
}

/** `openapi` of a route: the name of a file, or more. */
export type OpenapiOption =
  | string
  | { readonly file?: string | undefined; readonly onUnsupported?: 'warn' | 'refuse' | undefined };

/** The name of the file, or ''. */
export function openapiFile(option: OpenapiOption): string {
  return typeof option === 'string' ? option : (option.file ?? '');
}

/** Whether what is unsupported makes the document unusable. */
export function refusesUnsupported(option: OpenapiOption): boolean {
  return typeof option !== 'string' && option.onUnsupported === 'refuse';
}

const METHODS = HTTP_METHODS.map((method) => method.toLowerCase());
/** Operations with other methods, by their names (OpenAPI 3.2). */
const OTHER_OPERATIONS = 'additionalOperations';
/** What a route must be told to take, and no document may tell. */
const UNTAKEN_METHOD = 'trace';
const METHOD = new RegExp(METHOD_TEXT.pattern);
const OPERATIONS_MAX = 5000;

const PATH_END = '/*';

/** The operations of the document in `file` below `path`, a route's, which `methods` may narrow. */
export function readOpenapiGroup(
  file: string,
  path: string,
  methods: readonly string[] | undefined,
): OpenapiResult {
  if (!path.endsWith(PATH_END)) return unusable('needs a match.path that ends in "/*"');
  const document = readDocument(file);
  if (!document.isValid) return unusable(document.problem);
  const prefix = path.slice(0, -PATH_END.length);
  const found = readOpenapi(document.value, { prefix, file, read: readDocument });
  return {
    operations: found.operations.filter(({ method }) => methods?.includes(method) ?? true),
    mistakes: found.mistakes.map((problem) => `${file}: ${problem}`),
    unsupported: found.unsupported.map((problem) => `${file}: ${problem}`),
  };
}

function unusable(mistake: string): OpenapiResult {
  return { operations: [], mistakes: [mistake], unsupported: [] };
}

export interface OpenapiOptions {
  /** Put before each path; empty or without a slash at its end. */
  readonly prefix: string;
  /** Absolute; empty: the document has no file, and refers to none. */
  readonly file: string;
  readonly read: ReadDocument;
}

/** Reads a parsed document. */
export function readOpenapi(value: unknown, { prefix, file, read }: OpenapiOptions): OpenapiResult {
  const document = OpenapiDocument.open(value, file, read);
  if (typeof document === 'string') return unusable(document);
  const reader = new OperationReader(document, prefix);
  const { value: paths, file: root } = document.paths;
  for (const [path, item] of Object.entries(paths)) {
    if (path.startsWith('x-')) continue;
    reader.readPath(path, { value: item, file: root });
  }
  const { operations, notes } = reader;
  if (operations.length === 0 && notes.list.length === 0) notes.mistake('', 'it has no operation');
  if (operations.length > OPERATIONS_MAX) {
    notes.mistake('', `it has ${operations.length} operations, more than ${OPERATIONS_MAX}`);
  }
  const textsOf = (kind: OpenapiNote['kind']) =>
    notes.list.filter((note) => note.kind === kind).map(noteText);
  return { operations, mistakes: textsOf('mistake'), unsupported: textsOf('unsupported') };
}

function noteText({ at, text }: OpenapiNote): string {
  return at === '' ? text : `${at}: ${text}`;
}

class OperationReader {
  readonly operations: OpenapiOperation[] = [];
  readonly notes = new OpenapiNotes();
  private readonly schemas: OpenapiSchemas;
  private readonly names = new Set<string>();
  /** Method and shape of each path that is taken, and who took it. */
  private readonly taken = new Map<string, string>();

  constructor(
    private readonly document: OpenapiDocument,
    private readonly prefix: string,
  ) {
    this.schemas = new OpenapiSchemas(document);
  }

  readPath(path: string, from: Located): void {
    const at = childPointer('/paths', path);
    const item = this.document.resolve(from, at, this.notes);
    if (item === undefined) return;
    if (item.value[UNTAKEN_METHOD] !== undefined) {
      this.notes.unsupported(`${at}/${UNTAKEN_METHOD}`, 'no route takes it');
    }
    for (const method of METHODS) {
      this.readMethod({ path, at: `${at}/${method}`, item, method }, item.value[method]);
    }
    this.readOthers({ path, at: `${at}/${OTHER_OPERATIONS}`, item });
  }

  private readOthers({ path, at, item }: Omit<OperationPlace, 'method'>): void {
    const value = item.value[OTHER_OPERATIONS];
    if (value === undefined) return;
    const others = this.document.resolve({ value, file: item.file }, at, this.notes);
    for (const [method, operation] of Object.entries(others?.value ?? {})) {
      const place = { path, at: childPointer(at, method), item, method };
      if (METHOD.test(method) && isInEveryMethod(method)) this.readMethod(place, operation);
      else this.notes.unsupported(place.at, 'no route takes it');
    }
  }

  private readMethod(place: OperationPlace, value: unknown): void {
    if (value === undefined) return;
    const { at, item } = place;
    const operation = this.document.resolve({ value, file: item.file }, at, this.notes);
    if (operation !== undefined) this.readOperation({ ...place, operation });
  }

  private readOperation(source: OperationSource): void {
    const { path, at, item, operation, method } = source;
    const notes = new OpenapiNotes();
    const place: OpenapiPlace = { at, document: this.document, schemas: this.schemas, notes };
    const lists = [item, operation].map(({ value, file }) => ({
      value: value['parameters'],
      file,
    }));
    const declared = collectParameters(lists, place);
    const template = readTemplate(path, declaredNames(declared));
    const pattern = this.prefix + template.pattern;
    const parsed = parsePathPattern(pattern);
    const problem = parsed.isValid
      ? this.takenProblem(method, parsed.segments, at)
      : parsed.problem;
    if (problem !== undefined) {
      this.notes.unsupported(at, `it has no route: the path ${path} ${problem}`);
      return;
    }
    for (const text of template.constrained) {
      notes.unsupported(at, `the expression of ${text} in the path is not judged`);
    }
    const parameters = readParameters(declared, template.names, place);
    const body = readBody({ value: operation.value['requestBody'], file: operation.file }, place);
    this.notes.addAll(notes.list);
    const { operationId } = operation.value;
    const name = typeof operationId === 'string' ? operationId : `${method}-${path}`;
    this.operations.push({
      name: uniqueName(name, this.names),
      method: method.toUpperCase(),
      path: pattern,
      validation: {
        dialect: this.document.dialect,
        contents: body.contents,
        isBodyRequired: body.isRequired,
        ...parameters.schemas,
        ...(Object.keys(parameters.styles).length > 0 && { styles: parameters.styles }),
      },
      scope: {
        judged: [...parameters.judged, ...body.judged],
        unjudged: notes.list.map(({ text }) => text),
      },
    });
  }

  /** Two paths of a document may match the same requests, which OpenAPI leaves open. */
  private takenProblem(
    method: string,
    segments: readonly PatternSegment[],
    at: string,
  ): string | undefined {
    const shape = `${method.toUpperCase()} ${patternShape(segments)}`;
    const first = this.taken.get(shape);
    if (first === undefined) this.taken.set(shape, at);
    return first === undefined ? undefined : `is that of ${first}`;
  }
}

interface OperationPlace {
  readonly path: string;
  /** JSON Pointer to the operation. */
  readonly at: string;
  readonly item: Located<JsonObject>;
  readonly method: string;
}

interface OperationSource extends OperationPlace {
  readonly operation: Located<JsonObject>;
}

function uniqueName(wanted: string, taken: Set<string>): string {
  const plain =
    wanted.replace(/[^A-Za-z0-9._]+/g, '-').replace(/^[^A-Za-z0-9]+|-+$/g, '') || 'root';
  let name = plain.slice(0, 40);
  for (let count = 2; taken.has(name); count += 1) name = `${plain.slice(0, 36)}-${count}`;
  taken.add(name);
  return name;
}
