/**
 * Decides whether some data is a configuration, and finds everything that is wrong with it.
 *
 * Thread: any (pure).
 */

import { isObject } from '../../base/json-object.js';
import { displayPath } from '../../base/json-pointer.js';
import type { CheckContext, Finding } from '../../schema/finding.js';
import type { GatewayConfig } from '../gateway-config.js';
import { checkMeaning } from './check-meaning.js';
import { checkShape } from './check-shape.js';
import { ConfigError } from './config-error.js';

/** Names the property that tells a checked configuration from others. No object ever has it. */
declare const CHECKED: unique symbol;

/** A configuration in which no check has found a mistake; nothing else is compiled. */
export type CheckedConfig = GatewayConfig & { readonly [CHECKED]: true };

/** A configuration, or what is wrong with it. */
export type CheckResult =
  | { readonly isValid: true; readonly config: CheckedConfig }
  | { readonly isValid: false; readonly findings: readonly Finding[] };

/** Data that did not come out of a file holds no variables. */
const NO_VARIABLES: CheckContext = { variableAt: () => undefined };

/** Checks data of any kind. */
export function checkConfig(value: unknown, context: CheckContext = NO_VARIABLES): CheckResult {
  const { findings, config, sound } = checkShape(value, context);
  const names = {
    upstreams: keysAt(value, 'upstreams'),
    authenticators: keysAt(value, 'authenticators'),
  };
  // Where the map of upstreams has a wrong name every route would be told that its own is unknown.
  const hasOddKey = findings.list.some(({ pointer }) => pointer === '');
  const isAbsent = isObject(value) && value['upstreams'] === undefined && !hasOddKey;
  const isNamed = isObject(value) && isObject(value['upstreams']);
  checkMeaning(isNamed || isAbsent ? sound : { ...sound, routes: undefined }, names, findings);
  if (config === undefined || findings.list.length > 0) {
    return { isValid: false, findings: findings.list };
  }
  return { isValid: true, config: config as CheckedConfig };
}

/** Checks what did not come out of a file. Throws {@link ConfigError} with all that is wrong. */
export function checkedConfig(value: unknown): CheckedConfig {
  const result = checkConfig(value);
  if (result.isValid) return result.config;
  const issues = result.findings.map(({ pointer, message }) => {
    return { path: displayPath(pointer), line: 0, column: 0, message };
  });
  throw new ConfigError('', issues);
}

function keysAt(value: unknown, key: string): string[] {
  const map = isObject(value) ? value[key] : undefined;
  return isObject(map) ? Object.keys(map) : [];
}
