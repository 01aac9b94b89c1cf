/**
 * What a plugin has of the gateway.
 *
 * Thread: worker; on the main thread for plugins of the program.
 */
import type { Logger } from 'pino';
import type { PluginBoard } from '../../channel/plugins/plugin-board.js';
import type { CompiledPlugin } from '../../config/compiled-plugin.js';
import type { PluginContext } from '../../plugins/plugin.js';

/** Longer lines are cut. */
const MESSAGE_CHARS_MAX = 2048;

export function contextOf(
  { name, index: row, counters }: CompiledPlugin,
  { board, logger }: { readonly board: Pick<PluginBoard, 'addOwn'>; readonly logger: Logger },
  services: Pick<PluginContext, 'fetch' | 'store'>,
): PluginContext {
  return {
    name,
    ...services,
    count: (counter, by = 1) => {
      const place = counters.indexOf(counter);
      if (place === -1) throw new TypeError(`the plugin has declared no counter ${counter}`);
      if (!(by >= 0 && by <= Number.MAX_SAFE_INTEGER)) throw new TypeError('counters go up');
      board.addOwn(row, place, by);
    },
    log: (level, message) => {
      logger[level]({ plugin: name }, String(message).slice(0, MESSAGE_CHARS_MAX));
    },
  };
}
