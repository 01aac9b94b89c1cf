/**
 * One configuration as a worker uses it, and the number of exchanges under it.
 *
 * Thread: worker. An exchange belongs to the epoch that it began under, to its end, and reads the
 * configuration from there.
 */
import { ErrorPages } from '../base/error-pages.js';
import type { ServedConfig } from '../config/shared/shared-config.js';
import type { Compressions } from '../filters/compression/compressions.js';
import { linearPatterns } from '../filters/validation/linear-pattern.js';
import { versionChooser } from '../filters/versioning/version-choice.js';
import { RouteTable } from '../routing/route-table.js';
import type { ExchangeEpoch } from './exchange/exchange.js';
import type { IdentityClient } from './identity/identity-client.js';
import { LoopGuard } from './request/loop-guard.js';
import { RequestListeners } from './request/request-listeners.js';
import { RouteMatcher } from './request/route-matcher.js';
import { compileGlobalSteps, type LoadedFilters, loadFilters } from './route/route-filters.js';
import { type RouteParts, WorkerRoutes } from './route/worker-route.js';
import { LoggedReplies } from './telemetry/logged-bodies.js';

/** Where an epoch gets its authenticators, and gives them back. */
export type AuthenticatorSource = Pick<IdentityClient, 'acquire' | 'release'>;

interface EpochParts {
  readonly routes: WorkerRoutes;
  readonly filters: LoadedFilters;
  readonly errorPages: ErrorPages | null;
  /** '': requests are not counted. */
  readonly loopId: string;
}

/** What epochs have of the worker that serves under them. */
export interface EpochHost {
  /** By which requests that come back are known; '': they are not. */
  readonly loopId: string;
  /** null: nothing is sent. */
  readonly compressions: Compressions | null;
  readonly plugins: PluginSource;
}

/** Where an epoch gets its plugins, and gives them back. */
export interface PluginSource {
  acquire(plugins: ServedConfig['plugins']): Promise<RouteParts['plugins']>;
  release(plugins: ServedConfig['plugins']): void;
  /** null: nothing is sent. */
  readonly parts: RouteParts['pluginParts'];
}

/** Plugins are code of others: whoever only looks at a configuration runs none. */
const NO_PLUGINS: PluginSource = { acquire: async () => [], release: () => {}, parts: null };

const NOBODY: EpochHost = { loopId: '', compressions: null, plugins: NO_PLUGINS };

export class WorkerEpoch implements ExchangeEpoch {
  readonly matcher: RouteMatcher;
  readonly via: ServedConfig['via'];
  readonly bodyBytesMax: number;
  readonly errorPages: ErrorPages | null;
  exchanges = 0;

  /**
   * Makes what all routes share; each route is made when it is first used.
   */
  static async create(
    config: ServedConfig,
    identity: AuthenticatorSource,
    unixMs: () => number,
    { loopId, compressions, plugins: source }: EpochHost = NOBODY,
  ): Promise<WorkerEpoch> {
    const authenticators = await identity.acquire(config.authenticators);
    try {
      const filters = await loadFilters(config, unixMs);
      const plugins = await source.acquire(config.plugins);
      const { texts, rules } = config.errors;
      const errorPages = texts.length === 0 ? null : new ErrorPages(texts, rules);
      const routes = new WorkerRoutes({
        config,
        authenticators,
        filters,
        plugins,
        pluginParts: source.parts,
        errorPages,
        compressions,
        bodyRecords: new LoggedReplies(),
      });
      return new WorkerEpoch(config, { routes, filters, loopId, errorPages });
    } catch (error) {
      await identity.release(config.authenticators);
      throw error;
    }
  }

  private constructor(
    readonly config: ServedConfig,
    private readonly parts: EpochParts,
  ) {
    const { routes, filters, loopId, errorPages } = parts;
    const { hardening, paths, acceptsRequestIdOf, versioning } = config;
    this.errorPages = errorPages;
    this.via = config.via;
    this.bodyBytesMax = config.limits.bodyBytes;
    this.matcher = new RouteMatcher({
      table: new RouteTable(config.table, linearPatterns),
      routes,
      hasCors: config.facts.filters.includes('cors'),
      cors: config.cors,
      listeners: new RequestListeners(config),
      loops: new LoopGuard(loopId, loopId === '' ? 0 : config.limits.passes),
      hardening,
      paths,
      acceptsRequestIdOf,
      chooseVersion: versioning === null ? null : versionChooser(versioning),
      globalSteps: compileGlobalSteps(config.filters, filters),
    });
  }

  /**
   * Makes every route, as requests would one by one, and keeps none. Throws where one of them
   * cannot be made.
   */
  proveAllRoutes(): void {
    const { length } = this.config.routes;
    for (let place = 0; place < length; place += 1) this.parts.routes.prove(place);
  }
}
