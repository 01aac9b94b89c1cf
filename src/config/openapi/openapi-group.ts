/**
 * A route whose paths an OpenAPI document says.
 *
 * Thread: acceptor. Read once to check the configuration and once more to compile it.
 */
import { readDocument } from '../source/document-file.js';
import { type OpenapiResult, readOpenapi } from './openapi-routes.js';

const PATH_END = '/*';

/** The operations of a document below `path`, a route's, which `methods` may narrow. */
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
