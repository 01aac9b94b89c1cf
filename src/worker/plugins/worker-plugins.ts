/**
 * All that a worker has of plugins, put together.
 *
 * Thread: worker.
 */
import { PluginBoard, type PluginMemory } from '../../channel/plugins/plugin-board.js';
import type { StoreAnswer, StoreAsk } from '../../channel/plugins/plugin-messages.js';
import type { ProgramAnswer, ProgramAsk } from '../../channel/plugins/program-calls.js';
import type { CompiledPlugin } from '../../config/compiled-plugin.js';
import type { PluginInstance, PluginPartsMaker } from '../route/route-plugins.js';
import { PluginAuthenticator } from './plugin-authenticator.js';
import { PluginCalls, type PluginCallsParts } from './plugin-calls.js';
import { PluginInstances } from './plugin-instances.js';
import { PluginReplies } from './plugin-replies.js';
import { ProgramClient } from './program-hooks.js';
import { ReplyBodies } from './reply-bodies.js';
import { RequestBodies } from './request-bodies.js';
import { RequestPlugins } from './request-plugins.js';
import { StoreClient } from './store-client.js';

type PluginReport =
  | { readonly type: 'pluginStore'; readonly ask: StoreAsk }
  | { readonly type: 'pluginCall'; readonly ask: ProgramAsk };

/** What the worker is started with. */
export interface PluginsTask {
  readonly lane: number;
  readonly plugins: PluginMemory;
  readonly isSuccessor: boolean;
  readonly port: { postMessage(report: PluginReport): void };
}

interface PluginsHost {
  readonly clock: PluginCallsParts['clock'];
  readonly log: Pick<PluginCallsParts, 'logger'>;
}

export class WorkerPlugins {
  private readonly calls: PluginCalls;
  private readonly instances: PluginInstances;
  private readonly stores: StoreClient;
  private readonly program: ProgramClient;
  /** A worker that takes another's place serves without a plugin rather than not at all. */
  private toleratesFailure: boolean;

  constructor({ plugins, lane, isSuccessor, port }: PluginsTask, { clock, log }: PluginsHost) {
    const parts = { board: new PluginBoard(plugins, lane), clock, logger: log.logger };
    this.calls = new PluginCalls(parts);
    this.stores = new StoreClient((ask) => port.postMessage({ type: 'pluginStore', ask }));
    this.program = new ProgramClient({
      clock,
      post: (ask) => port.postMessage({ type: 'pluginCall', ask }),
    });
    const clients = { stores: this.stores, program: this.program };
    this.instances = new PluginInstances(parts, this.calls, clients);
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

  /** The main thread has answered. */
  onStoreAnswer(answer: StoreAnswer): void {
    this.stores.onAnswer(answer);
  }

  /** The program's plugin has answered. */
  onProgramAnswer(answer: ProgramAnswer): void {
    this.program.onAnswer(answer);
  }

  readonly parts: PluginPartsMaker = {
    stages: ({ ofReplies, ofReplyBodies }) => [
      ...(ofReplies.length === 0 ? [] : [new PluginReplies(this.calls, ofReplies)]),
      ...(ofReplyBodies.length === 0 ? [] : [new ReplyBodies(this.calls, ofReplyBodies)]),
    ],
    authenticators: ({ ofCallers }) =>
      ofCallers.map((instance) => new PluginAuthenticator(this.calls, instance)),
  };

  forBodies(onDone: ConstructorParameters<typeof RequestBodies>[1]): RequestBodies {
    return new RequestBodies(this.calls, onDone);
  }

  forRequests(onDone: ConstructorParameters<typeof RequestPlugins>[1]): RequestPlugins {
    return new RequestPlugins(this.calls, onDone);
  }
}
