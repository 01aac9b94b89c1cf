/**
 * The route table as it was until threads shared one: find-my-way behind a small interface. It is
 * built in each thread, takes 9 KiB and more a route, and a path with an empty parameter needs a
 * second table. The property test holds the table in force against this one.
 */

import createRouter, { type HTTPMethod } from 'find-my-way';
import { HTTP_METHODS, takesMethod } from '../../src/base/http-method.js';
import type { RoutePattern } from '../../src/routing/route-pattern.js';
import {
  METHOD_NOT_ALLOWED,
  type PathParams,
  ROUTE_NOT_FOUND,
} from '../../src/routing/route-table.js';

/** Longest path parameter; targets are bounded before. */
const PARAM_CHARS_MAX = 8192;

interface Entry {
  index: number;
  /** Indexes by version; null: the path has none. */
  versions: Map<string, number> | null;
}

const NO_PARAMS: PathParams = Object.freeze({});

type Router = ReturnType<typeof createRouter>;

export class FindMyWayTable {
  /** Of the last find(). */
  params: PathParams = NO_PARAMS;
  /** Of the last find(): the routes of the path by version; null: it has no versions. */
  versions: ReadonlyMap<string, number> | null = null;

  private readonly router = newRouter();
  private readonly entries = new Map<string, Entry>();
  private readonly placed: { readonly method: string; readonly path: string }[] = [];
  private strictRouter: Router | null = null;

  constructor(patterns: readonly RoutePattern[]) {
    for (const pattern of patterns) this.add(pattern, pattern.path);
    for (const pattern of patterns) {
      const { path } = pattern;
      if (path.length > 2 && path.endsWith('/*')) this.add(pattern, path.slice(0, -2));
    }
    const guarded = patterns.filter((pattern) => pattern.isGuarded === true);
    for (const pattern of guarded) {
      if (!/[/*]$/.test(pattern.path)) this.add(pattern, `${pattern.path}/`);
    }
    for (const pattern of guarded) this.close(pattern);
  }

  /** The index of the route, ROUTE_NOT_FOUND or METHOD_NOT_ALLOWED. `path` is normalised. */
  find(method: string, path: string): number {
    const found = this.lookUp(method, path);
    this.versions = null;
    if (found === null) {
      return this.allowedMethods(path).length > 0 ? METHOD_NOT_ALLOWED : ROUTE_NOT_FOUND;
    }
    const entry = found.store as Entry;
    this.params = found.params;
    this.versions = entry.versions;
    return entry.index;
  }

  /** The methods that some route takes for this path. */
  allowedMethods(path: string): string[] {
    return HTTP_METHODS.filter((method) => {
      const found = this.lookUp(method, path);
      return found !== null && (found.store as Entry).index >= 0;
    });
  }

  private lookUp(method: string, path: string): ReturnType<Router['find']> {
    const spelling = path.includes('%') ? decodeDelimiters(path) : path;
    const found = this.router.find(method as HTTPMethod, spelling);
    // Repeated slashes are gone, so that an empty parameter can only stand at the end.
    if (found === null || !path.endsWith('/') || !hasEmptyParam(found.params)) return found;
    this.strictRouter ??= this.buildStrictRouter();
    return this.strictRouter.find(method as HTTPMethod, spelling);
  }

  private add(pattern: RoutePattern, path: string): void {
    const { index, version = '' } = pattern;
    for (const method of HTTP_METHODS.filter((one) => takesMethod(pattern.methods, one))) {
      const entry = this.entries.get(keyOf(method, path));
      if (entry === undefined) {
        const versions = version === '' ? null : new Map([[version, index]]);
        this.place(method, path, { index, versions });
      } else if (version !== '' && entry.versions?.has(version) === false) {
        entry.versions.set(version, index);
      }
      // Else the first one named keeps it: a route's own path comes before another's bare prefix.
    }
  }

  /** Methods that a guarded route does not take are nobody's on its path. */
  private close(pattern: RoutePattern): void {
    const paths = [pattern.path];
    if (pattern.path.length > 2 && pattern.path.endsWith('/*')) {
      paths.push(pattern.path.slice(0, -2));
    } else if (!/[/*]$/.test(pattern.path)) paths.push(`${pattern.path}/`);
    for (const path of paths) {
      for (const method of HTTP_METHODS) {
        if (this.entries.has(keyOf(method, path))) continue;
        this.place(method, path, { index: METHOD_NOT_ALLOWED, versions: null });
      }
    }
  }

  private place(method: string, path: string, entry: Entry): void {
    this.entries.set(keyOf(method, path), entry);
    this.placed.push({ method, path });
    this.router.on(method as HTTPMethod, path, () => {}, entry);
  }

  /** The same routes, with parameters that are never empty: slower, and seldom needed. */
  private buildStrictRouter(): Router {
    const router = newRouter();
    for (const { method, path } of this.placed) {
      const strict = path.replace(/:(\w+)/g, ':$1(^[^/]+$)');
      const entry = this.entries.get(keyOf(method, path));
      router.on(method as HTTPMethod, strict, () => {}, entry);
    }
    return router;
  }
}

/** Names of parameters do not tell paths apart. */
function keyOf(method: string, path: string): string {
  return `${method} ${path.replace(/:\w+/g, ':')}`;
}

function newRouter(): Router {
  return createRouter({ caseSensitive: true, maxParamLength: PARAM_CHARS_MAX });
}

function hasEmptyParam(params: PathParams): boolean {
  for (const name in params) if (params[name] === '' && name !== '*') return true;
  return false;
}

/**
 * Delimiters that a pattern may hold as they are. Targets read `%24` as `$`, so that a rule about
 * `/a$b` must hold for both; what goes on is the path as it came.
 */
function decodeDelimiters(path: string): string {
  return path.replace(/%(?:21|24|26|27|28|29|2A|2B|2C|3A|3B|3D|40)/g, (hex) =>
    String.fromCharCode(Number.parseInt(hex.slice(1), 16)),
  );
}
