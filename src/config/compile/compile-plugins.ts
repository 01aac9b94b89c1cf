/**
 * Compiles plugins, and which of them a route uses.
 *
 * Thread: loader. A part of compile-config.ts; runs on a configuration that was checked.
 */
import { createHash } from 'node:crypto';
import { assert, defined } from '../../base/assert.js';
import { isProgramFile } from '../../base/program-file.js';
import { durationMs, sizeBytes } from '../../base/quantities.js';
import type { CompiledPlugin } from '../compiled-plugin.js';
import type { GatewayConfig, PluginConfig, RouteConfig } from '../gateway-config.js';
import { inspectWritten } from '../references/plugin-orders.js';
import { DEFAULTS } from '../schema/defaults.js';

const { plugins: defaults } = DEFAULTS;

export function compilePlugins(plugins: readonly PluginConfig[] = []): CompiledPlugin[] {
  const found = inspectWritten(plugins);
  return plugins.map((config, index) => {
    const { name, budget = {} } = config;
    const inspection = defined(found[index], 'what was found of a plugin');
    assert(inspection.isValid, 'the plugin was checked');
    const { modules, options, counters } = inspection;
    const compiled = {
      name,
      program: isProgramFile(config.file ?? '') ? (config.file ?? '') : '',
      modules,
      options,
      counters,
      isSkipped: (config.onFailure ?? defaults.onFailure) === 'skip',
      cpuMs: durationMs(budget.cpu ?? defaults.budget.cpu),
      waitMs: durationMs(budget.wait ?? defaults.budget.wait),
      strikesMax: config.strikes ?? defaults.strikes,
      bodyBytes: sizeBytes(config.bodyBytes ?? defaults.bodyBytes),
    };
    const key = createHash('sha256').update(JSON.stringify(compiled)).digest('base64url');
    return { index, key, ...compiled };
  });
}

/** What a route has of its plugins. */
interface CompiledRoutePlugins {
  /** Places in the list of plugins, in the order in which requests pass them; absent: none. */
  readonly plugins?: readonly number[];
  readonly hasOwnPlugins?: true;
}

/** How plugins of a route are compiled, in a configuration with these routes. */
export function routePlugins({
  plugins = [],
  routes,
}: GatewayConfig): (route: RouteConfig) => CompiledRoutePlugins {
  const general = plugins.filter(({ everyRoute }) => everyRoute === true).map(({ name }) => name);
  const namesOf = ({ plugins: own = general }: RouteConfig): readonly string[] => own;
  const places = new Map(plugins.map(({ name }, place) => [name, place]));
  const shared = new Set(places.keys());
  for (const route of routes) {
    const names = namesOf(route);
    for (const name of shared) if (!names.includes(name)) shared.delete(name);
  }
  return (route) => {
    const names = namesOf(route);
    if (names.length === 0) return {};
    const compiled = {
      plugins: names.map((name) => defined(places.get(name), 'a checked plugin')),
    };
    return names.every((name) => shared.has(name))
      ? compiled
      : { ...compiled, hasOwnPlugins: true };
  };
}
