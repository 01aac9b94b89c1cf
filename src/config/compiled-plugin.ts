/**
 * A plugin as workers use it.
 *
 * Thread: any (pure). Types only; a part of compiled-config.ts.
 */
import type { PluginModule } from '../plugins/plugin-module.js';

export interface CompiledPlugin {
  /** Row in the memory of plugins (channel/plugins/plugin-board.ts). */
  readonly index: number;
  readonly name: string;
  /** Of its code and everything that it is given: the same key, the same plugin. */
  readonly key: string;
  /** Not empty: an object of the program, which stands under this name on the main thread. */
  readonly program: string;
  /** Each after those that it imports. */
  readonly modules: readonly PluginModule[];
  readonly options: Readonly<Record<string, unknown>>;
  /** Names of its own counters, by place. */
  readonly counters: readonly string[];
  /** Requests go on without it when it fails. */
  readonly isSkipped: boolean;
  readonly cpuMs: number;
  readonly waitMs: number;
  /** Failures within a minute. */
  readonly strikesMax: number;
  /** Largest body that it is given. */
  readonly bodyBytes: number;
}
