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
import { ABSENT, type Authenticator } from '../../src/filters/authentication/authenticator.js';
import { type WorkerRoute, WorkerRoutes } from '../../src/worker/route/worker-route.js';

const SEES_NOBODY: Authenticator = {
  name: 'nobody',
  challenge: 'Nobody',
  isBearer: false,
  ownedFields: [],
  stripsAuthorization: false,
  readsAuthorization: false,
  authenticate: () => ABSENT,
};

export function servedOf(config: CompiledConfig): ServedConfig {
  return openConfig(shareConfig(config));
}

/** All routes of a configuration without filters, whose authenticators see no credentials. */
export function workerRoutesOf(
  config: CompiledConfig,
  every: Partial<Authenticator> = {},
): WorkerRoute[] {
  const filters = new Map();
  const authenticators = config.authenticators.map(() => ({ ...SEES_NOBODY, ...every }));
  const routes = new WorkerRoutes({
    config: servedOf(config),
    authenticators,
    filters,
    plugins: [],
    pluginParts: null,
    errorPages: null,
    compressions: null,
    bodyRecords: null,
  });
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
