/**
 * Decides whether some data is a configuration, and finds everything that is wrong with it.
 *
 * Thread: any (pure).
 */

import type { CheckContext, Finding } from '../../schema/finding.js';
import type { GatewayConfig } from '../gateway-config.js';
import { checkMeaning } from './check-meaning.js';
import { checkShape } from './check-shape.js';

/** A configuration, or what is wrong with it. */
export type CheckResult =
  | { readonly isValid: true; readonly config: GatewayConfig }
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
  checkMeaning(sound, names, findings);
  if (config !== undefined && findings.list.length === 0) return { isValid: true, config };
  return { isValid: false, findings: findings.list };
}

function keysAt(value: unknown, key: string): string[] {
  const map: unknown =
    typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
  return typeof map === 'object' && map !== null ? Object.keys(map) : [];
}
