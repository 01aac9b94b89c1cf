/**
 * Which bodies of a route its access records show.
 *
 * Thread: any (pure). A part of compile-routes.ts.
 */
import { pointerKeys } from '../../base/json-pointer.js';
import type { CompiledLogBodies } from '../compiled-log-bodies.js';
import type { LogBodiesConfig } from '../gateway-config.js';
import { DEFAULTS } from '../schema/defaults.js';

export function compileLogBodies(config: LogBodiesConfig): CompiledLogBodies {
  const { request, reply, maskBody } = { ...DEFAULTS.logBodies, ...config };
  return { request, reply, masks: maskBody.map(pointerKeys) };
}
