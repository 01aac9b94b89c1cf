/**
 * Makes all that workers make of a configuration, and throws it away: what passes here starts.
 *
 * Thread: supervisor or loader. Time grows with the routes, so no thread that serves does it.
 */
import { openConfig, type SharedConfig } from '../../config/shared/shared-config.js';
import { schemaJudges } from '../../worker/route/route-filters.js';
import { WorkerEpoch } from '../../worker/worker-epoch.js';
import { OFFLINE_AUTHENTICATORS } from './offline-authenticators.js';

/** Rejects with the first thing that cannot be made, which the checks should have found. */
export async function proveConfig(shared: SharedConfig, unixMs: () => number): Promise<void> {
  const epoch = await WorkerEpoch.create(openConfig(shared), OFFLINE_AUTHENTICATORS, unixMs);
  epoch.proveAllRoutes();
  schemaJudges(shared.schemas).evaluateAll();
}
