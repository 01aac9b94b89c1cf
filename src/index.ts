/**
 * Sluice as a library.
 *
 * Thread: supervisor (on the main thread).
 *
 *     import { createGateway, defineConfig } from 'sluice';
 *     const gateway = createGateway(defineConfig({ upstreams: {…}, routes: […] }));
 *     await gateway.start();
 */

import { loadObject } from './config/source/load-file.js';
import type { GatewayOptions } from './gateway.js';
import { ProgramGateway } from './program-gateway.js';
import { GivenPlugins, type ProgramConfig } from './supervisor/program-plugins/given-plugins.js';

export { NativeBinaryError } from './acceptor/uws/native-binary.js';
export { PROBLEMS, type ProblemKind } from './base/problems.js';
export { StartupError } from './base/startup-error.js';
export type { ConfigChange } from './config/changes/diff-config.js';
export { ConfigError } from './config/check/config-error.js';
export { defineConfig, type GatewayConfig } from './config/gateway-config.js';
export { type ConfigSource, fileSource } from './config/source/config-source.js';
export { loadConfigFile } from './config/source/load-config.js';
export type { LoadedConfig } from './config/source/load-file.js';
export { type GatewayOptions, VERSION } from './gateway.js';
export {
  definePlugin,
  type Plugin,
  type PluginCaller,
  type PluginContext,
  type PluginFetch,
  type PluginFetchOptions,
  type PluginFetchReply,
  type PluginHooks,
  type PluginReply,
  type PluginReplyHead,
  type PluginReplyWithRequest,
  type PluginRequest,
  type PluginRequestView,
  type PluginResult,
  type PluginStore,
} from './plugins/plugin.js';
export { ProgramGateway as Gateway } from './program-gateway.js';
export type {
  ProgramConfig,
  ProgramPluginConfig,
} from './supervisor/program-plugins/given-plugins.js';
export type { ReloadResult } from './supervisor/reloader.js';
export type { NameLookup } from './supervisor/watched-name.js';

/**
 * Checks the configuration and makes a gateway from it; `start()` opens the gateway, `stop()`
 * drains it. Engines are chosen as the program `sluice` chooses them.
 *
 * @throws ConfigError with all mistakes.
 */
export function createGateway(config: ProgramConfig, options: GatewayOptions = {}): ProgramGateway {
  const given = new GivenPlugins();
  return new ProgramGateway(loadObject(given.take(config)), options, given);
}
