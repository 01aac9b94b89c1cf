/**
 * Makes what asks for targets, by its kind.
 *
 * Thread: supervisor (on the main thread). The one list of sources.
 */
import type { Clock } from '../../base/clock.js';
import type { CompiledSource } from '../../config/compiled-discovery.js';
import type { AddressSource, SourceListener } from './address-source.js';
import { AskedSource } from './asked-source.js';
import { LOOK_MS, TargetFile } from './file-source.js';
import { askHttp } from './http-source.js';

export function makeSource(
  source: CompiledSource,
  listener: SourceListener,
  clock: Clock,
): AddressSource {
  switch (source.kind) {
    case 'file': {
      const file = new TargetFile(source.path);
      return new AskedSource({ clock, retryMsMax: LOOK_MS, ask: () => file.ask() }, listener);
    }
    case 'http': {
      const ask = (signal: AbortSignal) => askHttp(source, signal);
      return new AskedSource({ clock, retryMsMax: source.intervalMs, ask }, listener);
    }
    default:
      return source satisfies never;
  }
}
