/**
 * A plugin in one worker: its code, set up, and what its hooks are.
 *
 * Thread: worker.
 */
import type { CompiledPlugin } from '../../config/compiled-plugin.js';
import type { PluginHooks } from '../../plugins/plugin.js';

export interface PluginInstance {
  /** With the row that its figures have. */
  readonly plugin: CompiledPlugin;
  /** Empty where it could not be set up: it is out then. */
  readonly hooks: PluginHooks;
}

/** The plugins of a route, by what they do. */
export interface RoutePlugins {
  /** In the order in which requests pass them. */
  readonly all: readonly PluginInstance[];
  /** Those that see replies, in the order in which these pass them. */
  readonly ofReplies: readonly PluginInstance[];
  /** Those that are told of the end. */
  readonly ofEnds: readonly PluginInstance[];
}

/** `places`: in the list of plugins of the configuration. */
export function pluginsOf(
  places: readonly number[] | undefined,
  instances: readonly PluginInstance[],
): RoutePlugins | null {
  const all = (places ?? []).flatMap((place) => instances[place] ?? []);
  if (all.length === 0) return null;
  return {
    all,
    ofReplies: all.filter(({ hooks }) => hooks.onReply !== undefined).reverse(),
    ofEnds: all.filter(({ hooks }) => hooks.onFinish !== undefined),
  };
}
