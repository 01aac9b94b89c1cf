/**
 * A configuration without a gateway: which targets its sources would name is not known.
 *
 * Thread: any (pure).
 */
import type { ServedConfig } from './shared-config.js';

/** With one target in each upstream whose targets are found, as if its source had named it. */
export function withImaginedTargets(config: ServedConfig): ServedConfig {
  const found = config.upstreams.filter(({ discovery }) => discovery !== null);
  if (found.length === 0) return config;
  const kept = new Set(found.map(({ targetIndexes }) => targetIndexes[0]));
  const targets = config.targets.filter(({ isSlot, index }) => !isSlot || kept.has(index));
  return {
    ...config,
    targets: targets.map((target) =>
      target.isSlot ? { ...target, isSlot: false, hostPort: '(found)' } : target,
    ),
    upstreams: config.upstreams.map((upstream) =>
      upstream.discovery === null
        ? upstream
        : { ...upstream, targetIndexes: upstream.targetIndexes.slice(0, 1) },
    ),
  };
}
