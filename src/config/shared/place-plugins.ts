/**
 * Gives plugins their rows: one whose code and settings are as before keeps the row that it had,
 * and with it its figures, its strikes, and that it was put out.
 *
 * Thread: loader.
 */
import { PLUGIN_ROWS } from '../../channel/plugins/plugin-board.js';
import type { CompiledPlugin } from '../compiled-plugin.js';

/** By key; and every row that is taken once more, by a name of its own. */
export type PluginRows = ReadonlyMap<string, number>;

export function pluginRowsOf(plugins: readonly CompiledPlugin[]): PluginRows {
  return new Map(
    plugins.flatMap(({ key, index }) => [
      [key, index] as const,
      // A plugin that was restored has two rows for as long as older requests run.
      [`row ${index}`, index] as const,
    ]),
  );
}

/**
 * `restored`: the name of a plugin that begins anew, whatever row it had; '': of none. Throws where
 * there are more plugins, with those still in use, than rows.
 */
export function placePlugins(
  plugins: readonly CompiledPlugin[],
  inUse: PluginRows,
  restored = '',
): CompiledPlugin[] {
  const taken = new Set(inUse.values());
  let free = 0;
  return plugins.map((plugin) => {
    const kept = plugin.name === restored ? undefined : inUse.get(plugin.key);
    if (kept !== undefined) return { ...plugin, index: kept };
    while (taken.has(free)) free += 1;
    if (free >= PLUGIN_ROWS) {
      throw new Error(`more plugins than there is room for beside those in use (${PLUGIN_ROWS})`);
    }
    taken.add(free);
    return { ...plugin, index: free };
  });
}
