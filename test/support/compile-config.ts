/** Compiles configurations that a test has written: checks them first, as the gateway does. */
import { checkedConfig } from '../../src/config/check/check-config.js';
import * as compiler from '../../src/config/compile/compile-config.js';
import type { CompiledConfig } from '../../src/config/compiled-config.js';

/** Throws ConfigError with everything that is wrong. */
export function compileConfig(config: unknown, options?: compiler.CompileOptions): CompiledConfig {
  return compiler.compileConfig(checkedConfig(config), options);
}
