/**
 * One configuration as a worker uses it, and the requests that are in hand under it.
 *
 * Thread: worker. An exchange belongs to the epoch that it began under, to its end: what it needs
 * of the configuration it gets from there.
 */
import type { CompiledConfig } from '../config/compiled-config.js';
import type { JwtAuthenticator } from '../filters/authentication/jwt-authenticator.js';
import { ipFilterStep } from '../filters/ip-filter/ip-filter.js';
import { versionChooser } from '../filters/versioning/version-choice.js';
import { RouteTable } from '../routing/route-table.js';
import { loadFilters } from './route-filters.js';
import { RouteMatcher } from './route-matcher.js';
import { TrustedProxies } from './upstream/trusted-proxies.js';
import { loadUndici, type UndiciTransport } from './upstream/upstream-connections.js';
import { compileWorkerRoutes, routePatterns, type WorkerRoute } from './worker-route.js';

export class WorkerEpoch {
  readonly matcher: RouteMatcher;
  readonly trustedProxies: TrustedProxies;
  /** Exchanges that have begun and not finished. */
  exchanges = 0;

  /** Compiles everything aside. Rejects when a part of it cannot be made. */
  static async create(config: CompiledConfig): Promise<WorkerEpoch> {
    const [authenticators, filters, undici] = await Promise.all([
      createAuthenticators(config),
      loadFilters(config),
      loadUndici(config.targets),
    ]);
    return new WorkerEpoch(config, compileWorkerRoutes(config, authenticators, filters), undici);
  }

  private constructor(
    readonly config: CompiledConfig,
    routes: readonly WorkerRoute[],
    readonly undici: UndiciTransport | null,
  ) {
    const { hardening, acceptsRequestIdOf, versioning, ipFilter } = config;
    this.trustedProxies = new TrustedProxies(config.trustedProxies);
    const rows: WorkerRoute[] = [];
    for (const route of routes) rows[route.config.index] = route;
    this.matcher = new RouteMatcher({
      table: new RouteTable(config.routes.flatMap(routePatterns)),
      routes: rows,
      trustedProxies: this.trustedProxies,
      hardening,
      acceptsRequestIdOf,
      chooseVersion: versioning === null ? null : versionChooser(versioning),
      globalStep: ipFilter === null ? null : ipFilterStep([ipFilter]),
    });
  }
}

/** The library is loaded only where some route needs it. */
async function createAuthenticators({
  authenticators,
}: CompiledConfig): Promise<JwtAuthenticator[]> {
  if (authenticators.length === 0) return [];
  const { JwtAuthenticator } = await import('../filters/authentication/jwt-authenticator.js');
  return Promise.all(authenticators.map((config) => JwtAuthenticator.create(config)));
}
