/**
 * How often requests have gone on to other upstreams, as pages show it.
 *
 * Thread: supervisor (on the main thread).
 */
import { FALLBACK_COUNTERS, routeCounter } from '../observability/counters.js';
import { familyText, type Labels } from '../observability/prometheus-text.js';
import type { GatewayViews } from './gateway-views.js';
import { FAMILIES } from './metric-families.js';

type Views = Pick<GatewayViews, 'config' | 'figures'>;

/** One row for each route with `fallback`. */
export function fallbackRows({ config, figures }: Views): object[] {
  return config.facts.fallbacks.map(([index, route, upstreams]) => ({
    route,
    upstreams: upstreams.map((upstream, at) => ({
      upstream,
      requests: figures.sum(routeCounter(index, FALLBACK_COUNTERS.first + at)),
    })),
    refused: figures.sum(routeCounter(index, FALLBACK_COUNTERS.refused)),
  }));
}

export function* fallbackPieces({ config, figures }: GatewayViews): Generator<string> {
  const { fallbacks } = config.facts;
  yield familyText(
    FAMILIES.fallbacks,
    'counter',
    fallbacks.flatMap(([index, route, upstreams]) =>
      upstreams.map((upstream, at): readonly [Labels, number] => [
        [
          ['route', route],
          ['upstream', upstream],
        ],
        figures.sum(routeCounter(index, FALLBACK_COUNTERS.first + at)),
      ]),
    ),
  );
  yield familyText(
    FAMILIES.noFallbacks,
    'counter',
    fallbacks.map(([index, route]): readonly [Labels, number] => [
      [['route', route]],
      figures.sum(routeCounter(index, FALLBACK_COUNTERS.refused)),
    ]),
  );
}
