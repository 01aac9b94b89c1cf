/**
 * The plugins that a worker has set up. One whose code and options a reload leaves as they are goes
 * on; one that nobody uses any more is let go.
 *
 * Thread: worker. Owns the instances, and how many versions of the configuration use each.
 */
import { assert } from '../../base/assert.js';
import type { CompiledPlugin } from '../../config/compiled-plugin.js';
import { evaluateModules } from '../../plugins/evaluate-modules.js';
import type { Plugin, PluginHooks } from '../../plugins/plugin.js';
import type { PluginInstance } from '../route/route-plugins.js';
import type { PluginCalls, PluginCallsParts } from './plugin-calls.js';
import { contextOf } from './plugin-context.js';
import { PluginFetcher } from './plugin-fetch.js';
import type { ProgramClient } from './program-hooks.js';
import type { StoreClient } from './store-client.js';
import { StrayErrors } from './stray-errors.js';

/** Longest time for a plugin to be loaded and set up. */
const SETUP_MS_MAX = 10_000;

/** Ways to the main thread. */
export interface PluginClients {
  readonly stores: StoreClient;
  readonly program: ProgramClient;
}

interface Kept {
  /** Versions that are made at the same time wait for the same one. */
  readonly made: Promise<PluginInstance>;
  /** null: it is being set up. */
  instance: PluginInstance | null;
  users: number;
}

export class PluginInstances {
  /** By {@link idOf}. */
  private readonly kept = new Map<string, Kept>();

  private readonly stray: StrayErrors;
  /** By the same, of plugins that are there or being set up. */
  private readonly fetchers = new Map<string, PluginFetcher>();

  constructor(
    private readonly parts: PluginCallsParts,
    private readonly calls: PluginCalls,
    private readonly clients: PluginClients,
  ) {
    const instances = (): PluginInstance[] =>
      [...this.kept.values()].flatMap(({ instance }) => instance ?? []);
    this.stray = new StrayErrors({ ...{ calls, instances }, logger: parts.logger });
  }

  /**
   * In the order of the list. Rejects with the plugin's reason. `toleratesFailure`: the plugin is
   * put out in place of that.
   */
  async acquire(
    plugins: readonly CompiledPlugin[],
    toleratesFailure: boolean,
  ): Promise<readonly PluginInstance[]> {
    const instances: PluginInstance[] = [];
    try {
      for (const plugin of plugins) {
        instances.push(await this.share(plugin, toleratesFailure));
      }
      return instances;
    } catch (error) {
      this.release(instances.map(({ plugin }) => plugin));
      throw error;
    }
  }

  private share(plugin: CompiledPlugin, toleratesFailure: boolean): Promise<PluginInstance> {
    const id = idOf(plugin);
    const known = this.kept.get(id);
    if (known !== undefined) {
      known.users++;
      return known.made;
    }
    const onMade = (instance: PluginInstance): PluginInstance => {
      kept.instance = instance;
      return instance;
    };
    const onFailed = (error: unknown): never => {
      this.kept.delete(id);
      throw error;
    };
    const made = this.make(plugin, toleratesFailure).then(onMade, onFailed);
    const kept: Kept = { made, instance: null, users: 1 };
    this.kept.set(id, kept);
    return made;
  }

  /** A version of the configuration is not used any more. */
  release(plugins: readonly CompiledPlugin[]): void {
    for (const plugin of plugins) {
      const kept = this.kept.get(idOf(plugin));
      assert(kept !== undefined && kept.instance !== null, 'the plugin was acquired');
      kept.users--;
      if (kept.users > 0) continue;
      this.kept.delete(idOf(plugin));
      this.unload(kept.instance);
    }
  }

  private unload(instance: PluginInstance): void {
    this.closeFetcher(instance.plugin);
    const { onUnload } = instance.hooks;
    if (onUnload === undefined) return;
    const result = this.calls.call(instance, onUnload, undefined, undefined);
    if (result instanceof Promise) this.calls.wait(instance, result, () => {});
  }

  private async make(plugin: CompiledPlugin, isTolerated: boolean): Promise<PluginInstance> {
    const { board, logger } = this.parts;
    const { index: row, name } = plugin;
    if (board.isOut(row)) return { plugin, hooks: {} };
    this.stray.watch();
    try {
      const hooks = await this.inTime(this.setUp(plugin));
      return { plugin, hooks };
    } catch (error) {
      this.closeFetcher(plugin);
      const reason = error instanceof Error ? error.message : String(error);
      if (!isTolerated) throw new Error(`plugin ${name} cannot be set up: ${reason}`);
      board.putOut(row, 'setup');
      logger.error({ err: error, plugin: name }, 'plugin cannot be set up: it is put out');
      return { plugin, hooks: {} };
    } finally {
      board.setRunning(-1);
    }
  }

  /** Whatever it does runs under its name. */
  private async setUp(plugin: CompiledPlugin): Promise<PluginHooks> {
    const { board } = this.parts;
    if (plugin.program !== '') return this.clients.program.hooksOf(plugin, this.calls);
    board.setRunning(plugin.index);
    const { default: made } = await evaluateModules(plugin.modules);
    const { setup } = made as Plugin;
    const enter = (): void => this.calls.enter(plugin.index);
    const fetcher = new PluginFetcher(enter);
    this.fetchers.set(idOf(plugin), fetcher);
    const store = this.clients.stores.storeOf(plugin.name, enter);
    const context = contextOf(plugin, this.parts, { fetch: fetcher.fetch, store });
    const hooks: unknown = await setup(plugin.options, context);
    if (typeof hooks === 'object' && hooks !== null) return hooks;
    throw new TypeError('setup() has to return an object with hooks');
  }

  private closeFetcher(plugin: CompiledPlugin): void {
    const { logger } = this.parts;
    const fetcher = this.fetchers.get(idOf(plugin));
    this.fetchers.delete(idOf(plugin));
    fetcher?.close().catch((error: unknown) => logger.warn({ err: error }, 'internal error'));
  }

  private inTime<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = this.parts.clock.after(SETUP_MS_MAX, () =>
        reject(new Error(`it is not ready after ${SETUP_MS_MAX / 1000} s`)),
      );
      work.then(resolve, reject).finally(() => timer.cancel());
    });
  }
}

/** One that was restored is another instance of the same code, with a row of its own. */
function idOf({ key, index }: CompiledPlugin): string {
  return `${key} ${index}`;
}
