/**
 * Sluice as a library.
 *
 * Thread: acceptor.
 *
 *     import { createGateway, defineConfig } from 'sluice';
 *     const gateway = createGateway(defineConfig({ upstreams: {…}, routes: […] }));
 *     await gateway.start();
 */

import type { GatewayConfig } from './config/gateway-config.js';
import { loadObject } from './config/source/load-file.js';
import { Gateway, type GatewayOptions } from './gateway.js';

export { NativeBinaryError } from './acceptor/uws/native-binary.js';
export { PROBLEMS, type ProblemKind } from './base/problems.js';
export { StartupError } from './base/startup-error.js';
export type { ConfigChange } from './config/changes/diff-config.js';
export { ConfigError } from './config/check/config-error.js';
export { defineConfig, type GatewayConfig } from './config/gateway-config.js';
export { type ConfigSource, fileSource } from './config/source/config-source.js';
export { loadConfigFile } from './config/source/load-config.js';
export type { LoadedConfig } from './config/source/load-file.js';
export { Gateway, type GatewayOptions, VERSION } from './gateway.js';
export type { ReloadResult } from './supervisor/reloader.js';
export type { NameLookup } from './supervisor/watched-name.js';

/**
 * Checks the configuration and makes a gateway from it; `start()` opens the gateway, `stop()`
 * drains it.
 *
 * A listener's engine is `wire` unless the configuration names `uws`; `start()` rejects with a
 * NativeBinaryError when that does not load on this system.
 *
 * @throws ConfigError with all mistakes.
 */
export function createGateway(config: GatewayConfig, options: GatewayOptions = {}): Gateway {
  return new Gateway(loadObject(config), options);
}
