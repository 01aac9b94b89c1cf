/**
 * What the acceptor's own replies tell pages: without these fields a page sees a network error
 * where there was a 413 or a 503.
 *
 * Thread: acceptor. One for each configuration. Nothing is done here for requests without Origin,
 * and where no route has CORS. The fields are those of the route that the request would have gone
 * to, or of the whole gateway where there is none.
 */

import { type FieldBlock, NO_FIELDS } from '../base/field-block.js';
import type { ServedConfig } from '../config/shared/shared-config.js';
import { type CorsOfRefusals, corsOfRefusals } from '../filters/cors/refusals.js';
import { linearPatterns } from '../filters/validation/linear-pattern.js';
import { normalizePath } from '../routing/normalize-path.js';
import type { RoutedRequest } from '../routing/route-pattern.js';
import { METHOD_NOT_ALLOWED, ROUTE_NOT_FOUND, RouteTable } from '../routing/route-table.js';
import { valuesIn } from './head-facts.js';

/** Routes whose answers are kept: a flood of refusals asks about few. */
const KEPT_MAX = 256;

export class RefusalFields {
  private readonly hasCors: boolean;
  private readonly byDefault: CorsOfRefusals | null;
  /** By place in the list of routes; null: the route has none. */
  private readonly byRoute = new Map<number, CorsOfRefusals | null>();
  /** Made for the first page that is refused. */
  private table: RouteTable | null = null;

  constructor(readonly config: ServedConfig) {
    this.hasCors = config.facts.filters.includes('cors');
    this.byDefault = config.cors === null ? null : corsOfRefusals(config.cors);
  }

  /** `text` is the head as records/request-head.ts has it, or a part of its fields. */
  fieldsFor(method: string, target: string, text: string, listener: string): FieldBlock {
    if (!this.hasCors) return NO_FIELDS;
    const [origin = '', second] = valuesIn(text, 'origin');
    const request = routedRequest(target, text, listener);
    const cors = second === undefined ? this.corsFor(method, target, request) : this.byDefault;
    return cors === null ? NO_FIELDS : cors(second === undefined ? origin : '');
  }

  private corsFor(method: string, target: string, request: RoutedRequest): CorsOfRefusals | null {
    const path = normalizePath(target.split('?', 1)[0] ?? '', this.config.hardening.pathParameters);
    if (path === '') return this.byDefault;
    this.table ??= new RouteTable(this.config.table, linearPatterns);
    let found = this.table.find(method, path, request);
    if (found === METHOD_NOT_ALLOWED) {
      const [first = ''] = this.table.allowedMethods(path, request);
      found = this.table.find(first, path, request);
    }
    return found === ROUTE_NOT_FOUND ? this.byDefault : this.corsAt(found);
  }

  private corsAt(place: number): CorsOfRefusals | null {
    let cors = this.byRoute.get(place);
    if (cors === undefined) {
      const options = this.config.routes.at(place)?.filters.cors;
      cors = options === undefined ? null : corsOfRefusals(options);
      if (this.byRoute.size >= KEPT_MAX) this.byRoute.clear();
      this.byRoute.set(place, cors);
    }
    return cors;
  }
}

function routedRequest(target: string, text: string, listener: string): RoutedRequest {
  return {
    host: valuesIn(text, 'host')[0] ?? '',
    valuesOf: (source, name) => {
      if (source === 'listener') return [listener];
      if (source === 'header') return valuesIn(text, name);
      if (source === 'query') return queryValues(target, name);
      return cookieValues(valuesIn(text, 'cookie'), name);
    },
  };
}

function queryValues(target: string, name: string): string[] {
  const mark = target.indexOf('?');
  return mark === -1 ? [] : new URLSearchParams(target.slice(mark + 1)).getAll(name);
}

function cookieValues(fields: readonly string[], name: string): string[] {
  const pairs = fields.flatMap((text) => text.split(';')).map((pair) => pair.trim());
  const start = `${name}=`;
  return pairs.filter((pair) => pair.startsWith(start)).map((pair) => pair.slice(start.length));
}
