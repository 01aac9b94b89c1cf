/**
 * Plugins that a program gives as objects, in place of names of files.
 *
 * Thread: supervisor (on the main thread). Owns the objects. One that is given again keeps its
 * name, and with it its instance.
 */
import { randomUUID } from 'node:crypto';
import { programFile } from '../../base/program-file.js';
import type { GatewayConfig, PluginConfig } from '../../config/gateway-config.js';
import type { Plugin } from '../../plugins/plugin.js';
import { keepDescription } from '../../plugins/program-description.js';

/** A plugin of the program: hooks may use whatever the program has. */
export interface ProgramPluginConfig extends Omit<PluginConfig, 'file' | 'package'> {
  readonly plugin: Plugin<never>;
}

/** A configuration whose plugins may be objects. */
export type ProgramConfig = Omit<GatewayConfig, 'plugins'> & {
  readonly plugins?: readonly (PluginConfig | ProgramPluginConfig)[];
};

/** Objects that are kept: those of ten earlier versions, to which one can go back, and more. */
const KEPT_MAX = 512;

export class GivenPlugins {
  private readonly files = new WeakMap<object, string>();
  /** By what stands in place of a file; what was given last is the last. */
  private readonly kept = new Map<string, Plugin<never>>();

  /** The configuration with names in place of objects. What is no object is left to the checks. */
  take(config: ProgramConfig): GatewayConfig {
    const { plugins } = config;
    if (!Array.isArray(plugins)) return config as GatewayConfig;
    const taken = plugins.map((one: PluginConfig | ProgramPluginConfig) => {
      if (typeof one !== 'object' || one === null || !('plugin' in one)) return one;
      const { plugin, ...rest } = one;
      return { ...rest, file: this.fileOf(plugin) };
    });
    return { ...config, plugins: taken };
  }

  /** undefined: the program has given none of this name, or long ago. */
  find(file: string): Plugin<never> | undefined {
    return this.kept.get(file);
  }

  private fileOf(plugin: Plugin<never>): string {
    const given = typeof plugin === 'object' && plugin !== null ? plugin : ({} as Plugin<never>);
    const file = this.files.get(given) ?? programFile(randomUUID());
    const { name, counters, options, setup } = given;
    keepDescription(file, { name, counters, options, hasSetup: typeof setup === 'function' });
    this.files.set(given, file);
    this.kept.delete(file);
    this.kept.set(file, given);
    const [oldest] = this.kept.keys();
    if (this.kept.size > KEPT_MAX && oldest !== undefined) {
      this.kept.delete(oldest);
      keepDescription(oldest, null);
    }
    return file;
  }
}
