/**
 * All that a worker has of plugins, put together.
 *
 * Thread: worker.
 */
import { PluginBoard, type PluginMemory } from '../../channel/plugins/plugin-board.js';
import type { CompiledPlugin } from '../../config/compiled-plugin.js';
import type { StageSource } from '../../filters/reply-stage.js';
import type { PluginInstance, RoutePlugins } from '../route/route-plugins.js';
import { PluginCalls, type PluginCallsParts } from './plugin-calls.js';
import { PluginInstances } from './plugin-instances.js';
import { PluginReplies } from './plugin-replies.js';
import { RequestPlugins } from './request-plugins.js';

/** What the worker is started with. */
export interface PluginsTask {
  readonly lane: number;
  readonly plugins: PluginMemory;
  readonly isSuccessor: boolean;
}

interface PluginsHost {
  readonly clock: PluginCallsParts['clock'];
  readonly log: Pick<PluginCallsParts, 'logger'>;
}

export class WorkerPlugins {
  private readonly calls: PluginCalls;
  private readonly instances: PluginInstances;
  /** A worker that takes another's place serves without a plugin rather than not at all. */
  private toleratesFailure: boolean;

  constructor({ plugins, lane, isSuccessor }: PluginsTask, { clock, log }: PluginsHost) {
    const parts = { board: new PluginBoard(plugins, lane), clock, logger: log.logger };
    this.calls = new PluginCalls(parts);
    this.instances = new PluginInstances(parts, this.calls);
    this.toleratesFailure = isSuccessor;
  }

  /** The worker has its first configuration. */
  onServing(): void {
    this.toleratesFailure = false;
  }

  acquire(plugins: readonly CompiledPlugin[]): Promise<readonly PluginInstance[]> {
    return this.instances.acquire(plugins, this.toleratesFailure);
  }

  release(plugins: readonly CompiledPlugin[]): void {
    this.instances.release(plugins);
  }

  readonly stage = ({ ofReplies }: RoutePlugins): StageSource =>
    new PluginReplies(this.calls, ofReplies);

  forRequests(onDone: ConstructorParameters<typeof RequestPlugins>[1]): RequestPlugins {
    return new RequestPlugins(this.calls, onDone);
  }
}
