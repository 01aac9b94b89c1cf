/**
 * Figures of plugins for /stats and /metrics.
 *
 * Thread: supervisor (on the main thread). Only reads memory. What a plugin itself has put into the
 * log or counts is its own affair: names of its counters were checked when it was loaded.
 */
import type { PluginFigure } from '../channel/plugins/plugin-board.js';
import type { CompiledPlugin } from '../config/compiled-plugin.js';
import { familyText, type Labels } from '../observability/prometheus-text.js';
import type { GatewayViews } from './gateway-views.js';

/** Figures, and the kinds that failures are told by. */
const FAILURES: readonly (readonly [PluginFigure, string])[] = [
  ['errors', 'error'],
  ['slowCalls', 'slow'],
  ['lateCalls', 'late'],
  ['strayErrors', 'stray'],
  ['lostWorkers', 'worker'],
];

const FAMILIES = {
  calls: head('calls_total', 'Calls of plugins.'),
  busy: head('busy_seconds_total', 'Time that plugins have worked in their calls.'),
  failures: head(
    'failures_total',
    'What plugins must not do, by kind: error, slow (budget.cpu), late (budget.wait), stray ' +
      '(outside of calls), worker (hung or died in it).',
  ),
  replies: head('replies_total', 'Requests that plugins have answered.'),
  skipped: head('skipped_calls_total', 'Calls that were not made since the plugin was put out.'),
  out: head('out', '1: the plugin was put out.'),
  events: head('events_total', 'Counters of the plugins themselves.'),
};

function head(name: string, help: string) {
  return { name: `sluice_plugin_${name}`, help };
}

/** For /stats, in the order of the configuration. */
export function pluginRows({ config, plugins }: Pick<GatewayViews, 'config' | 'plugins'>) {
  return config.plugins.map(({ name, index: row, counters, isSkipped, strikesMax }) => {
    const sum = (figure: PluginFigure): number => plugins.sumOf(row, figure);
    return {
      name,
      state: plugins.isOut(row) ? ('out' as const) : ('in use' as const),
      reason: plugins.reasonOf(row),
      on_failure: isSkipped ? 'skip' : 'refuse',
      strikes: plugins.strikesOf(row),
      strikes_max: strikesMax,
      calls: sum('calls'),
      busy_ms: Math.round(sum('busyMs')),
      failures: Object.fromEntries(FAILURES.map(([figure, kind]) => [kind, sum(figure)])),
      replies: sum('replies'),
      skipped_calls: sum('skippedCalls'),
      events: Object.fromEntries(
        counters.map((counter, place) => [counter, plugins.sumOfOwn(row, place)]),
      ),
    };
  });
}

/** For /metrics; nothing where there are no plugins. */
export function* pluginPieces({ config, plugins }: GatewayViews): Generator<string> {
  const all = config.plugins;
  if (all.length === 0) return;
  const labelOf = ({ name }: CompiledPlugin): Labels => [['plugin', name]];
  const samples = (figure: PluginFigure, unit = 1): (readonly [Labels, number])[] =>
    all.map((plugin) => [labelOf(plugin), plugins.sumOf(plugin.index, figure) * unit]);
  yield familyText(FAMILIES.calls, 'counter', samples('calls'));
  yield familyText(FAMILIES.busy, 'counter', samples('busyMs', 1 / 1000));
  yield familyText(
    FAMILIES.failures,
    'counter',
    all.flatMap((plugin) =>
      FAILURES.map(([figure, kind]): readonly [Labels, number] => [
        [...labelOf(plugin), ['kind', kind]],
        plugins.sumOf(plugin.index, figure),
      ]),
    ),
  );
  yield familyText(FAMILIES.replies, 'counter', samples('replies'));
  yield familyText(FAMILIES.skipped, 'counter', samples('skippedCalls'));
  yield familyText(
    FAMILIES.out,
    'gauge',
    all.map((plugin) => [labelOf(plugin), plugins.isOut(plugin.index) ? 1 : 0]),
  );
  const events = all.flatMap((plugin) =>
    plugin.counters.map((counter, place): readonly [Labels, number] => [
      [...labelOf(plugin), ['event', counter]],
      plugins.sumOfOwn(plugin.index, place),
    ]),
  );
  if (events.length > 0) yield familyText(FAMILIES.events, 'counter', events);
}
