/**
 * One configuration as a worker uses it, and the requests that are in hand under it.
 *
 * Thread: worker. An exchange belongs to the epoch that it began under, to its end: what it needs
 * of the configuration it gets from there.
 */
import { defined } from '../base/assert.js';
import type { CompiledConfig } from '../config/compiled-config.js';
import type { JwtAuthenticator } from '../filters/authentication/jwt-authenticator.js';
import { RouteTable } from '../routing/route-table.js';
import { TrustedProxies } from './upstream/trusted-proxies.js';
import { loadUndici, type UndiciTransport } from './upstream/upstream-connections.js';
import { compileWorkerRoutes, type WorkerRoute } from './worker-route.js';

export class WorkerEpoch {
  readonly routeTable: RouteTable;
  readonly trustedProxies: TrustedProxies;
  /** Exchanges that have begun and not finished. */
  exchanges = 0;
  private readonly routes: WorkerRoute[] = [];

  /** Compiles everything aside. Rejects when a part of it cannot be made. */
  static async create(config: CompiledConfig): Promise<WorkerEpoch> {
    const authenticators = await createAuthenticators(config);
    return new WorkerEpoch(config, authenticators, await loadUndici(config.targets));
  }

  private constructor(
    readonly config: CompiledConfig,
    authenticators: readonly JwtAuthenticator[],
    readonly undici: UndiciTransport | null,
  ) {
    this.routeTable = new RouteTable(config.routes);
    this.trustedProxies = new TrustedProxies(config.trustedProxies);
    for (const route of compileWorkerRoutes(config, authenticators)) {
      this.routes[route.config.index] = route;
    }
  }

  /** The route that the table found. */
  routeAt(routeIndex: number): WorkerRoute {
    return defined(this.routes[routeIndex], 'the route that matched');
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
