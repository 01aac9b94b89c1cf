/**
 * Decides how a path with `%2F`, `%5C` or `;` is read.
 *
 * Thread: worker. To some targets an encoded slash is a character of a name, to others it is a
 * slash; some cut off what stands behind `;`. Unless the configuration says which, such a path is a
 * name, and goes on only where the other readings would come to no route, to the same one, or to
 * one that asks for nothing more: nobody gets around the rules of a route by another spelling of
 * its path.
 *
 * Invariant: without a word of the configuration no target gets a path that it could read as one of
 * a route whose rules were not applied.
 */
import type { CompiledPaths, CompiledRoute } from '../../config/compiled-config.js';
import {
  decodeSlashes,
  hasEncodedSlash,
  hasParameters,
  type PathParameters,
  parameterReadings,
  slashReadings,
} from '../../routing/normalize-path.js';
import { ROUTE_NOT_FOUND } from '../../routing/route-table.js';

/** Filters that keep nothing from a target. */
const HARMLESS_FILTERS: ReadonlySet<string> = new Set(['cors', 'securityHeaders', 'deprecation']);

const knownRules = new WeakMap<CompiledRoute, string>();

/** What a lookup of a path comes to. */
export interface FoundPlace {
  /** The place of a route, or what a lookup says where there is none. */
  readonly place: number;
  /** The version that a request asks for decides about the route. */
  readonly isVersioned: boolean;
}

/** Where routes are had by their places. */
export interface RouteSource {
  at(place: number): { readonly config: CompiledRoute };
}

export class PathReadings {
  constructor(
    private readonly routes: RouteSource,
    /** Of the whole gateway. */
    private readonly paths: CompiledPaths,
    /** '': they are looked at as above. */
    private readonly parameters: PathParameters | '' = '',
  ) {}

  /** The path by which a request is routed; '': it must be refused. */
  read(normal: string, find: (path: string) => FoundPlace): string {
    const path = hasEncodedSlash(normal) ? this.readSlashes(normal, find) : normal;
    if (this.parameters !== '' || !hasParameters(path)) return path;
    return this.isOpenTo(parameterReadings(path), find(path), find) ? path : '';
  }

  private readSlashes(normal: string, find: (path: string) => FoundPlace): string {
    const kept = find(normal);
    const mode = this.modeAt(kept);
    if (mode === 'keep') return normal;
    const decoded = decodeSlashes(normal);
    if (this.modeAt(find(decoded)) === 'decode') return decoded;
    if (mode === '') return this.isOpenTo(slashReadings(normal), kept, find) ? normal : '';
    // To a route that decodes, the path belongs in the other reading alone.
    return mode === 'refuse' ? '' : decoded;
  }

  private modeAt({ place }: FoundPlace): CompiledPaths['encodedSlash'] {
    return (place < 0 ? this.paths : this.pathsAt(place)).encodedSlash;
  }

  private pathsAt(place: number): CompiledPaths {
    return this.routes.at(place).config.paths ?? this.paths;
  }

  /** Whether none of these readings comes to a route with other rules than `kept` has. */
  private isOpenTo(
    readings: readonly string[],
    kept: FoundPlace,
    find: (path: string) => FoundPlace,
  ): boolean {
    return readings.every((reading) => {
      const other = find(reading);
      if (other.place === kept.place || other.place === ROUTE_NOT_FOUND) return true;
      if (other.place < 0 || other.isVersioned || kept.isVersioned) return false;
      const rules = rulesOf(this.routes.at(other.place).config);
      return (
        rules === '' || (kept.place >= 0 && rules === rulesOf(this.routes.at(kept.place).config))
      );
    });
  }
}

/** What a route holds its requests to, as text; '': it lets every request through as it is. */
function rulesOf(route: CompiledRoute): string {
  let rules = knownRules.get(route);
  if (rules === undefined) {
    rules = makeRules(route);
    knownRules.set(route, rules);
  }
  return rules;
}

function makeRules(route: CompiledRoute): string {
  const { answer, authenticators, authorization, limiterIndexes, rewrite, plugins = [] } = route;
  const filters = Object.entries(route.filters).filter(([name]) => !HARMLESS_FILTERS.has(name));
  const { setHeaders, removeHeaders } = rewrite;
  const asked = [authenticators, limiterIndexes, filters, setHeaders, removeHeaders, plugins];
  const isOpen =
    answer.kind === 'upstream' &&
    authorization === null &&
    asked.every((list) => list.length === 0);
  return isOpen ? '' : JSON.stringify([answer, authorization, ...asked]);
}
