/**
 * The limits on concurrency that are adapted, by upstream, for /stats.
 *
 * Thread: acceptor. Reads the coordinator's rows.
 */
import { ConcurrencyView } from '../channel/concurrency-memory.js';
import type { CoordinatorStatus } from '../channel/coordinator-status.js';
import type { CompiledConfig } from '../config/compiled-config.js';

export class ConcurrencyRows {
  private readonly names: readonly string[];
  private readonly view: ConcurrencyView;

  constructor(config: CompiledConfig, memory: SharedArrayBuffer, status: CoordinatorStatus) {
    const adapted = config.upstreams.filter(({ adaptiveConcurrency }) => adaptiveConcurrency);
    this.names = adapted.map(({ name }) => name);
    this.view = new ConcurrencyView(memory, adapted.length, status);
  }

  read(): object[] {
    return this.names.map((upstream, slot) => ({
      upstream,
      limit: this.view.limitOf(slot),
      in_flight: this.view.inFlightOf(slot),
      min_rtt_ms: Math.round(this.view.minRttMsOf(slot) * 100) / 100,
    }));
  }
}
