/**
 * Compiles bodies of refusals. Equal texts stand once, however many routes have them.
 *
 * Thread: loader. A part of compile-config.ts; runs on a configuration that was checked.
 */
import { defined } from '../../base/assert.js';
import { ERROR_BODY_TYPES, type ErrorBodyType, type ErrorRule } from '../../base/error-pages.js';
import type { CompiledRoute } from '../compiled-config.js';
import type { GatewayConfig } from '../gateway-config.js';
import { readErrorBody } from '../references/error-body.js';

/** `4xx` as 4, and nothing where there is none. */
export function compileUpstreamErrors(
  statuses: GatewayConfig['upstreamErrors'] = [],
): Pick<CompiledRoute, 'upstreamErrors'> {
  if (statuses.length === 0) return {};
  return {
    upstreamErrors: statuses.map((one) => (typeof one === 'number' ? one : Number(one[0]))),
  };
}

export class ErrorTexts {
  readonly texts: string[] = [];
  private readonly places = new Map<string, number>();

  rulesOf(errors: GatewayConfig['errors'] = {}): ErrorRule[] {
    return Object.entries(errors).map(([status, given]) => {
      const bodies: Partial<Record<ErrorBodyType, number>> = {};
      for (const type of ERROR_BODY_TYPES) {
        const body = given[type];
        if (body === undefined) continue;
        const read = readErrorBody(body);
        bodies[type] = this.placeOf(defined('text' in read ? read.text : undefined, 'a body'));
      }
      return { status, bodies };
    });
  }

  private placeOf(text: string): number {
    const known = this.places.get(text);
    if (known !== undefined) return known;
    const place = this.texts.push(text) - 1;
    this.places.set(text, place);
    return place;
  }
}
