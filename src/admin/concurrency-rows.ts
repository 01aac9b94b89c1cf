/**
 * The limits on concurrency that are adapted, by upstream, for /stats.
 *
 * Thread: acceptor. Reads the coordinator's rows.
 */
import type { ConcurrencyView } from '../channel/concurrency-memory.js';
import type { CompiledConfig } from '../config/compiled-config.js';

/** One row for each upstream whose concurrency is adapted. */
export function concurrencyRows(config: CompiledConfig, view: ConcurrencyView): object[] {
  const adapted = config.upstreams.filter(({ adaptiveConcurrency }) => adaptiveConcurrency);
  return adapted.map(({ name, index }) => ({
    upstream: name,
    limit: view.limitOf(index),
    in_flight: view.inFlightOf(index),
    min_rtt_ms: Math.round(view.minRttMsOf(index) * 100) / 100,
  }));
}
