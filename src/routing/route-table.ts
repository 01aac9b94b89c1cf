/**
 * Which route takes a request: find-my-way behind a small interface.
 *
 * Thread: any (pure). Built once for a configuration epoch, then only read.
 * `/prefix/*` also takes `/prefix` itself, unless another route names that path.
 */
import createRouter, { type HTTPMethod } from 'find-my-way';

export const ROUTE_NOT_FOUND = -1;
export const METHOD_NOT_ALLOWED = -2;

/** The methods that a route without a list of methods takes. */
export const ROUTED_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

/** Longest path parameter; targets are bounded before. */
const PARAM_CHARS_MAX = 8192;

export interface RoutePattern {
  readonly index: number;
  readonly path: string;
  /** Upper case; empty: every method. HEAD goes where GET goes. */
  readonly methods: readonly string[];
}

export class RouteTable {
  private readonly router = createRouter({ caseSensitive: true, maxParamLength: PARAM_CHARS_MAX });
  private readonly named = new Set<string>();

  constructor(patterns: readonly RoutePattern[]) {
    for (const pattern of patterns) this.add(pattern, pattern.path);
    for (const pattern of patterns) {
      if (pattern.path.length > 2 && pattern.path.endsWith('/*')) {
        this.add(pattern, pattern.path.slice(0, -2));
      }
    }
  }

  /** The index of the route, ROUTE_NOT_FOUND or METHOD_NOT_ALLOWED. `path` is normalised. */
  find(method: string, path: string): number {
    const found = this.router.find(method as HTTPMethod, path);
    if (found !== null) return (found.store as RoutePattern).index;
    return this.allowedMethods(path).length > 0 ? METHOD_NOT_ALLOWED : ROUTE_NOT_FOUND;
  }

  /** The methods that some route takes for this path. */
  allowedMethods(path: string): string[] {
    return ROUTED_METHODS.filter((method) => this.router.find(method, path) !== null);
  }

  private add(pattern: RoutePattern, path: string): void {
    for (const method of effectiveMethods(pattern.methods)) {
      const name = `${method} ${path}`;
      // The first one named keeps the path: a route's own path comes before another's bare prefix.
      if (this.named.has(name)) continue;
      this.named.add(name);
      this.router.on(method as HTTPMethod, path, () => {}, pattern);
    }
  }
}

function effectiveMethods(methods: readonly string[]): readonly string[] {
  if (methods.length === 0) return ROUTED_METHODS;
  return methods.includes('GET') && !methods.includes('HEAD') ? [...methods, 'HEAD'] : methods;
}
