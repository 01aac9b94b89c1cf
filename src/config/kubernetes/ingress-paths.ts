/**
 * Paths of an Ingress as paths of routes, and what the target gets.
 *
 * Thread: any (pure).
 */
import type { RewriteConfig } from '../gateway-config.js';
import type { IngressPath } from './ingress-object.js';

export interface RoutedPath {
  /** As `match.path` has it. */
  readonly pattern: string;
  readonly rewrite: RewriteConfig | null;
}

export interface PathWishes {
  readonly usesExpressions: boolean;
  readonly rewriteTarget: string;
}

/** What has a meaning in patterns, and is a character of the path here. */
const SPECIAL = /[:*()]/g;
/** What no plain path has. */
const EXPRESSION = /[()[\]|*+?^${}\\]/;
/** `/shop(/|$)(.*)`, `/shop/?(.*)`, `/shop/(.*)`: the prefix, and the group that is the rest. */
const REST_FORMS: readonly (readonly [RegExp, number])[] = [
  [/^(.*)\(\/\|\$\)\(\.\*\)$/, 2],
  [/^(.*)\/\?\(\.\*\)$/, 1],
  [/^(.*)\/\(\.\*\)$/, 1],
];

/** A text: what is wrong. */
export function routedPath(
  { path, pathType }: Pick<IngressPath, 'path' | 'pathType'>,
  { usesExpressions, rewriteTarget }: PathWishes,
): RoutedPath | string {
  if (rewriteTarget.includes('$')) return pathWithRest(path, rewriteTarget);
  const rewrite = rewriteTarget === '' ? null : { path: rewriteTarget };
  if (pathType === 'Exact') return { pattern: escapedPath(path), rewrite };
  if (!EXPRESSION.test(path)) return { pattern: prefixPattern(path), rewrite };
  if (!usesExpressions && rewriteTarget === '') {
    return `the path ${JSON.stringify(path)} is an expression, which needs use-regex`;
  }
  return { pattern: expressionPattern(path), rewrite };
}

/** Element by element: `/shop` takes `/shop/a`, and not `/shopping`. */
export function prefixPattern(path: string): string {
  const prefix = path.replace(/\/+$/, '');
  return `${escapedPath(prefix)}/*`;
}

/** The path as a pattern that means just that. */
export function escapedPath(path: string): string {
  return path.replace(SPECIAL, '\\$&');
}

/** Expressions of nginx hold for the beginning of a path, those of routes for the whole. */
function expressionPattern(path: string): string {
  const text = path.replace(/^\^/, '');
  if (text.endsWith('$') && !text.endsWith('\\$')) return `~${text.slice(0, -1)}`;
  return /\.\*\)?$/.test(text) ? `~${text}` : `~${text}.*`;
}

/** The usual forms of a prefix that is cut off; others would need groups in the new path. */
function pathWithRest(path: string, target: string): RoutedPath | string {
  const problem =
    `rewrite-target ${JSON.stringify(target)} with the path ${JSON.stringify(path)} is not ` +
    'supported: take /PREFIX(/|$)(.*) with /$2, or /PREFIX/(.*) with /$1';
  const match = /^(\/(?:[^$]*\/)?)\$(\d)$/.exec(target);
  if (match === null) return problem;
  const [, before = '', group = ''] = match;
  for (const [form, rest] of REST_FORMS) {
    const [, prefix] = form.exec(path) ?? [];
    if (prefix === undefined) continue;
    if (Number(group) !== rest || EXPRESSION.test(prefix)) return problem;
    const stripPrefix = prefix.replace(/\/+$/, '');
    const addPrefix = before.replace(/\/+$/, '');
    const rewrite = {
      ...(stripPrefix !== '' && { stripPrefix }),
      ...(addPrefix !== '' && { addPrefix }),
    };
    const hasRewrite = stripPrefix !== addPrefix;
    return { pattern: prefixPattern(prefix), rewrite: hasRewrite ? rewrite : null };
  }
  return problem;
}
