/**
 * What became of the copies of requests, as pages show it.
 *
 * Thread: supervisor (on the main thread).
 */
import { MIRROR_COUNTERS, routeCounter } from '../observability/counters.js';
import { type FamilyHead, familyText, type Labels } from '../observability/prometheus-text.js';
import type { GatewayViews } from './gateway-views.js';
import { FAMILIES } from './metric-families.js';

type MirrorFigure = keyof typeof MIRROR_COUNTERS;

type Views = Pick<GatewayViews, 'config' | 'figures'>;

/** One row for each route whose requests are copied. */
export function mirrorRows(views: Views): object[] {
  return views.config.facts.mirrors.map(([index, route]) => {
    const figure = (name: MirrorFigure): number => figureOf(views, index, name);
    return {
      route,
      copied: figure('copied'),
      dropped: figure('dropped'),
      skipped: figure('skipped'),
      failed: figure('failed'),
      compared: figure('compared'),
      differs: {
        status: figure('otherStatus'),
        fields: figure('otherFields'),
        body: figure('otherBody'),
      },
    };
  });
}

const OUTCOMES: readonly MirrorFigure[] = ['copied', 'dropped', 'skipped', 'failed', 'compared'];
const PARTS: readonly (readonly [string, MirrorFigure])[] = [
  ['status', 'otherStatus'],
  ['fields', 'otherFields'],
  ['body', 'otherBody'],
];

export function* mirrorPieces(views: GatewayViews): Generator<string> {
  const { mirrors } = views.config.facts;
  const family = (
    head: FamilyHead,
    label: string,
    figures: readonly (readonly [string, MirrorFigure])[],
  ): string =>
    familyText(
      head,
      'counter',
      mirrors.flatMap(([index, route]) =>
        figures.map(([value, name]): readonly [Labels, number] => [
          [
            ['route', route],
            [label, value],
          ],
          figureOf(views, index, name),
        ]),
      ),
    );
  yield family(
    FAMILIES.mirrorRequests,
    'outcome',
    OUTCOMES.map((name) => [name, name] as const),
  );
  yield family(FAMILIES.mirrorDifferences, 'part', PARTS);
}

function figureOf({ figures }: Views, index: number, name: MirrorFigure): number {
  return figures.sum(routeCounter(index, MIRROR_COUNTERS[name]));
}
