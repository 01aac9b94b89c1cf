/**
 * Compiles where requests of a route are copied to.
 *
 * Thread: any (pure). A part of compile-routes.ts; runs on a configuration that was checked.
 */
import { defined } from '../../base/assert.js';
import { sizeBytes } from '../../base/quantities.js';
import type { CompiledMirror } from '../compiled-mirror.js';
import type { MirrorConfig } from '../gateway-config.js';
import { DEFAULTS } from '../schema/defaults.js';

/** `workers`: among whom what may be in flight is shared. */
export function compileMirror(
  mirror: MirrorConfig,
  upstreamIndexes: ReadonlyMap<string, number>,
  workers: number,
): CompiledMirror {
  const defaults = DEFAULTS.mirror;
  const { upstream: name, compare = [], ignore = [] } = mirror;
  const inFlightMax = mirror.maxInFlight ?? defaults.maxInFlight;
  return {
    upstreamIndex: defined(upstreamIndexes.get(name), 'a checked upstream'),
    name,
    percent: mirror.percent ?? defaults.percent,
    inFlightMax: Math.max(1, Math.floor(inFlightMax / workers)),
    bodyBytesMax: sizeBytes(mirror.bodyBytes ?? defaults.bodyBytes),
    compares: {
      status: compare.includes('status'),
      fields: compare.includes('fields'),
      body: compare.includes('body'),
    },
    ignored: [...defaults.ignore, ...ignore.map((one) => one.toLowerCase())],
    hasCredentials: mirror.credentials ?? defaults.credentials,
  };
}
