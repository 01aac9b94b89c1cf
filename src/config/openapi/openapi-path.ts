/**
 * The paths of a document as patterns of routes.
 *
 * Thread: loader. Names in braces are parameters; what has a meaning in a pattern has none in a
 * document. Frameworks have signs of their own for a parameter that takes the rest of the path.
 */
import { paramName } from './openapi-document.js';

/** A path as a route has it. */
export interface PathTemplate {
  readonly pattern: string;
  /** By names of the document: the name in the pattern, `*` for the rest of the path. */
  readonly names: ReadonlyMap<string, string>;
  /** Parameters with an expression of their own, which is not judged. */
  readonly constrained: readonly string[];
}

/** Parameters that are declared, and whether they say that they take more than a segment. */
export type DeclaredNames = ReadonlyMap<string, boolean>;

/** `{name+}`, `{name*}`, `{*name}`. */
const REST_SIGN = /^\*{1,2}|[+*]$/g;
/** `{name:.*}`, `{name:path}`. */
const REST_EXPRESSION = /^(?:\.[*+]|path)$/;

/** Reads `/files/{name}`. */
export function readTemplate(path: string, declared: DeclaredNames): PathTemplate {
  const names = new Map<string, string>();
  const constrained: string[] = [];
  const read = (text: string, inside: string | undefined, at: number): string => {
    if (inside === undefined) return `\\${text}`;
    const isLast = path[at - 1] === '/' && at + text.length === path.length;
    const [bare = '', expression] = declared.has(inside) ? [inside] : splitOnce(inside);
    const name = bare.replace(REST_SIGN, '');
    const isRest =
      name !== bare ||
      (isLast && declared.get(name) === true) ||
      (expression !== undefined && REST_EXPRESSION.test(expression));
    if (expression !== undefined && !isRest) constrained.push(text);
    const known = isRest ? '*' : paramName(name);
    names.set(name, known).set(inside, known);
    return isRest ? known : `:${known}`;
  };
  const pattern = path.replace(/\{([^{}/]*)\}|[:*()]/g, read);
  return { pattern, names, constrained };
}

/** `name:expression`. */
function splitOnce(text: string): string[] {
  const colon = text.indexOf(':');
  return colon < 1 ? [text] : [text.slice(0, colon), text.slice(colon + 1)];
}
