/**
 * Routes and their validation out of an OpenAPI 3.0 or 3.1 document: one for each operation.
 *
 * Thread: acceptor. What the document says and a gateway cannot hold requests to is told as a
 * problem, with the place in the document; nothing is skipped in silence.
 */

import { HTTP_METHODS } from '../../base/http-method.js';
import { childPointer } from '../../base/json-pointer.js';
import type { CompiledValidation } from '../../filters/validation/options.js';
import { schemaProblem } from '../../filters/validation/schema-engine.js';
import { parsePathPattern } from '../../routing/path-pattern.js';
import { readDocument } from '../references/document-file.js';
import { readBody } from './openapi-body.js';
import {
  isObject,
  type JsonObject,
  OpenapiDocument,
  type OpenapiPlace,
  paramName,
} from './openapi-document.js';
import { readParameters } from './openapi-parameters.js';

/** One operation of a document. */
export interface OpenapiOperation {
  /** For the route: `operationId`, or method and path. */
  readonly name: string;
  readonly method: string;
  /** As a route has it, with the prefix. */
  readonly path: string;
  readonly validation: Omit<CompiledValidation, 'maxBodyBytes' | 'maxDepth' | 'maxMembers'>;
}

/** All operations, and everything that is wrong. */
export interface OpenapiResult {
  readonly operations: readonly OpenapiOperation[];
  readonly problems: readonly string[];
}

const METHODS = HTTP_METHODS.map((method) => method.toLowerCase());
const OTHER_METHODS = ['trace', 'query'];
const OPERATIONS_MAX = 2000;

const PATH_END = '/*';

/** The operations of the document in `file` below `path`, a route's, which `methods` may narrow. */
export function readOpenapiGroup(
  file: string,
  path: string,
  methods: readonly string[] | undefined,
): OpenapiResult {
  if (!path.endsWith(PATH_END)) {
    return { operations: [], problems: ['needs a match.path that ends in "/*"'] };
  }
  const document = readDocument(file);
  if (!document.isValid) return { operations: [], problems: [document.problem] };
  const { operations, problems } = readOpenapi(document.value, path.slice(0, -PATH_END.length));
  return {
    operations: operations.filter(({ method }) => methods?.includes(method) ?? true),
    problems: problems.map((problem) => `${file}: ${problem}`),
  };
}

/** Reads a parsed document. `prefix`: put before each path; empty or without a slash at its end. */
export function readOpenapi(value: unknown, prefix: string): OpenapiResult {
  const problems: string[] = [];
  const document = OpenapiDocument.open(value);
  if (typeof document === 'string') return { operations: [], problems: [document] };
  const operations: OpenapiOperation[] = [];
  const names = new Set<string>();
  for (const [path, item] of Object.entries(document.paths)) {
    const at = childPointer('/paths', path);
    const resolved = document.resolve(item, at, problems);
    if (resolved === undefined) continue;
    for (const method of OTHER_METHODS) {
      if (resolved[method] !== undefined) problems.push(`${at}/${method}: no route takes it`);
    }
    for (const method of METHODS) {
      const operation = resolved[method];
      if (operation === undefined) continue;
      if (!isObject(operation)) {
        problems.push(`${at}/${method}: must be an operation`);
        continue;
      }
      const shared = { at: `${at}/${method}`, document, problems };
      const route = readOperation({ path, item: resolved, operation, method, prefix }, shared);
      const name = uniqueName(route.name, names);
      operations.push({ ...route, name });
    }
  }
  if (operations.length === 0 && problems.length === 0) problems.push('it has no operation');
  if (operations.length > OPERATIONS_MAX) {
    problems.push(`it has ${operations.length} operations, more than ${OPERATIONS_MAX}`);
  }
  return { operations, problems };
}

interface OperationSource {
  readonly path: string;
  readonly item: JsonObject;
  readonly operation: JsonObject;
  readonly method: string;
  readonly prefix: string;
}

function readOperation(source: OperationSource, place: OpenapiPlace): OpenapiOperation {
  const { path, item, operation, method, prefix } = source;
  const { document, problems, at } = place;
  const pattern = prefix + patternOf(path);
  const parsed = parsePathPattern(pattern);
  if (!parsed.isValid) problems.push(`${at}: the path ${path} ${parsed.problem}`);
  const parameters = readParameters([item['parameters'], operation['parameters']], place);
  const body = readBody(operation['requestBody'], place);
  const validation = {
    dialect: document.dialect,
    contents: body.contents,
    isBodyRequired: body.isRequired,
    ...parameters,
  };
  const schemas = [
    parameters.query,
    parameters.params,
    parameters.headers,
    ...(body.contents ?? []).map(({ schema }) => schema ?? undefined),
  ];
  for (const schema of schemas) {
    const problem = schema === undefined ? undefined : schemaProblem(schema, document.dialect);
    if (problem !== undefined) problems.push(`${at}: ${problem}`);
  }
  const { operationId } = operation;
  const name = typeof operationId === 'string' ? operationId : `${method}-${path}`;
  return { name, method: method.toUpperCase(), path: pattern, validation };
}

/** Names in braces are parameters; what has a meaning in a pattern has none in a document. */
function patternOf(path: string): string {
  return path.replace(/\{([^{}/]*)\}|[:*()]/g, (text, name: string | undefined) =>
    name === undefined ? `\\${text}` : `:${paramName(name)}`,
  );
}

function uniqueName(wanted: string, taken: Set<string>): string {
  const plain =
    wanted.replace(/[^A-Za-z0-9._]+/g, '-').replace(/^[^A-Za-z0-9]+|-+$/g, '') || 'root';
  let name = plain.slice(0, 40);
  for (let count = 2; taken.has(name); count += 1) name = `${plain.slice(0, 36)}-${count}`;
  taken.add(name);
  return name;
}
