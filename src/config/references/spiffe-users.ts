/**
 * What of a configuration needs the gateway's own identity (SPIFFE).
 *
 * Thread: any (pure).
 */
import type { SoundPart } from '../../schema/finding.js';
import type { GatewayConfig, ListenConfig, TargetConfig } from '../gateway-config.js';
import { listedTargets } from './listed-targets.js';

type SoundConfig = SoundPart<Pick<GatewayConfig, 'listen' | 'upstreams'>>;

/** For people: `upstream NAME`, `listener NAME`. */
export function spiffeUsers({ listen, upstreams = {} }: SoundConfig): string[] {
  const listeners = [listen].flat() as readonly (SoundPart<ListenConfig> | undefined)[];
  const ofListeners = listeners.flatMap((one, at) =>
    isOn(one?.tls?.spiffe) ? [`listener ${one?.name ?? at}`] : [],
  );
  const ofUpstreams = Object.entries(upstreams).flatMap(([name, upstream]) => {
    const targets = listedTargets<SoundPart<TargetConfig> | undefined>(upstream?.targets);
    const isUser = [upstream, ...targets].some((one) => isOn(one?.tls?.spiffe));
    return isUser ? [`upstream ${name}`] : [];
  });
  return [...ofListeners, ...ofUpstreams];
}

function isOn(spiffe: unknown): boolean {
  return spiffe !== undefined && spiffe !== false;
}
