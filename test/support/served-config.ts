/** Configurations as threads have them, made of compiled ones. */
import type { CompiledConfig } from '../../src/config/compiled-config.js';
import {
  type Placing,
  placeConfig,
  type RowsByName,
  rowsInUse,
} from '../../src/config/shared/place-config.js';
import { shareConfig } from '../../src/config/shared/share-config.js';
import { openConfig, type ServedConfig } from '../../src/config/shared/shared-config.js';
import { type WorkerRoute, WorkerRoutes } from '../../src/worker/route/worker-route.js';

export function servedOf(config: CompiledConfig): ServedConfig {
  return openConfig(shareConfig(config));
}

/** All routes of a configuration without authenticators and filters. */
export function workerRoutesOf(config: CompiledConfig): WorkerRoute[] {
  const filters = new Map();
  const routes = new WorkerRoutes({ config: servedOf(config), authenticators: [], filters });
  return config.routes.map((_, place) => routes.at(place));
}

/** With lists in place of what a thread looks up. */
export function placed(
  config: CompiledConfig,
  inUse: RowsByName,
  placing: Placing,
): CompiledConfig {
  const served = openConfig(placeConfig(shareConfig(config), inUse, placing));
  return { ...served, routes: [...served.routes], limiters: [...served.limiters] };
}

/** Rows of a configuration, placed or not. */
export function rowsOfCompiled(config: CompiledConfig): RowsByName {
  return rowsInUse([shareConfig(config)]);
}
