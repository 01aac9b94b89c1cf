/**
 * Explains requests to a gateway that runs, by its configuration and its tables as they are.
 *
 * Thread: acceptor. Owns the compiled routes of the configuration that it was asked under last.
 */
import { monotonicMs } from '../base/clock.js';
import type { CoordinatorMemory } from '../channel/coordinator-memory.js';
import type { CompiledConfig } from '../config/compiled-config.js';
import { WorkerEpoch } from '../worker/worker-epoch.js';
import { explainRequest } from './explain-request.js';
import { readExplainedRequest } from './read-request.js';

/** The gateway that runs. */
export interface LiveGateway {
  /** In force at the moment. */
  readonly config: CompiledConfig;
  readonly memory: CoordinatorMemory;
  readonly hashKey: readonly [number, number];
}

export class LiveExplainer {
  private epoch: WorkerEpoch | null = null;

  constructor(private readonly gateway: LiveGateway) {}

  /** The explanation, or what is wrong with the request. */
  async explain(value: unknown): Promise<object | string> {
    const request = readExplainedRequest(value);
    if (typeof request === 'string') return request;
    const { config, memory, hashKey } = this.gateway;
    if (this.epoch?.config !== config) this.epoch = await WorkerEpoch.create(config);
    const unixSeconds = Date.now() / 1000;
    const { epoch } = this;
    return explainRequest(request, {
      config,
      epoch,
      memory,
      hashKey,
      nowMs: monotonicMs(),
      unixSeconds,
    });
  }
}
