/**
 * Errors of plugins that are outside of every call: of their timers and sockets, and promises that
 * nobody handles.
 *
 * Thread: worker. Node.js would end the thread for each of them. Which plugin it was is told by the
 * files in the stack; an error in which a file of the gateway's own comes first ends the thread as
 * ever. Keeping the author of every asynchronous step (AsyncLocalStorage) would cost every request.
 */
import type { Logger } from 'pino';
import type { PluginInstance } from '../route/route-plugins.js';
import type { PluginCalls } from './plugin-calls.js';

/** What ends threads or processes; the thread of a worker is no plugin's to end. */
const ENDING = ['exit', 'reallyExit', 'kill', 'abort'] as const;

export interface StrayErrorsParts {
  readonly calls: PluginCalls;
  readonly logger: Logger;
  /** All that the worker has. */
  instances(): readonly PluginInstance[];
}

export class StrayErrors {
  private isWatching = false;
  /** What they were. */
  private readonly endings = ENDING.map((name) => [name, Reflect.get(process, name)] as const);

  constructor(private readonly parts: StrayErrorsParts) {}

  /** To be called once there is a plugin; does nothing the second time. */
  watch(): void {
    if (this.isWatching) return;
    this.isWatching = true;
    for (const name of ENDING) {
      Object.defineProperty(process, name, {
        configurable: true,
        value: () => {
          throw new Error(`process.${name}() is not for plugins`);
        },
      });
    }
    process.on('uncaughtException', (error) => this.onError(error));
  }

  private onError(error: unknown): void {
    const { calls, logger } = this.parts;
    const instance = this.authorOf(error);
    if (instance !== undefined) {
      calls.strike(instance, 'strayErrors', { err: error });
      return;
    }
    const plugins = this.parts.instances().map(({ plugin }) => plugin.name);
    logger.fatal({ err: error, plugins }, 'an error that nobody handles ends the worker');
    // Node.js itself calls them to end the thread.
    for (const [name, value] of this.endings) {
      Object.defineProperty(process, name, { configurable: true, value });
    }
    // Thrown where nobody listens: only then the last lines of the log are written.
    process.removeAllListeners('uncaughtException');
    queueMicrotask(() => {
      throw error;
    });
  }

  /** Who has written the code nearest to the error; undefined: it cannot be said. */
  private authorOf(error: unknown): PluginInstance | undefined {
    const instances = this.parts.instances();
    const stack = error instanceof Error ? (error.stack ?? '') : '';
    const named = instances.find(({ plugin }) =>
      plugin.modules.some(({ url }) => stack.includes(`${url}:`)),
    );
    if (named !== undefined) return named;
    // Nothing of ours throws what is no error; with one plugin there is no other author.
    return stack === '' && instances.length === 1 ? instances[0] : undefined;
  }
}
