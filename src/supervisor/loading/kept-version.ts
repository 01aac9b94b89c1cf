/**
 * A version of the configuration as the main thread keeps it: in shared memory, so that it can be
 * given to a loader without a copy, and takes no part of the main thread's heap.
 *
 * Thread: supervisor or loader.
 */
import { readText, type SharedTexts, shareTexts } from '../../channel/shared-texts.js';
import { maskSecrets } from '../../config/changes/mask-secrets.js';
import type { GatewayConfig } from '../../config/gateway-config.js';
import { shareConfig } from '../../config/shared/share-config.js';
import type { SharedConfig } from '../../config/shared/shared-config.js';
import type { LoadedConfig } from '../../config/source/load-file.js';

export interface KeptVersion {
  /** Two texts: the configuration as it was written, and the same with secrets masked. */
  readonly texts: SharedTexts;
  /** With the rows that it was compiled with. */
  readonly compiled: SharedConfig;
}

/** Time grows with the configuration. */
export function keepVersion({ written, compiled }: LoadedConfig): KeptVersion {
  const texts = [JSON.stringify(written), JSON.stringify(maskSecrets(written), null, 2)];
  return { texts: shareTexts(texts), compiled: shareConfig(compiled) };
}

/** As it was written. */
export function writtenOf({ texts }: KeptVersion): GatewayConfig {
  return JSON.parse(readText(texts, 0)) as GatewayConfig;
}

/** As it was written, with secrets masked: JSON on many lines. */
export function shownOf({ texts }: KeptVersion): string {
  return readText(texts, 1);
}

/** Whether two versions do the same: files that they name may have changed. */
export function hasSameEffect(one: KeptVersion, other: KeptVersion): boolean {
  const [a, b] = [one.compiled, other.compiled];
  return (
    hasSameBytes(a.routes.bytes, b.routes.bytes) &&
    hasSameBytes(a.schemas.bytes, b.schemas.bytes) &&
    hasSameBytes(a.limiters.bytes, b.limiters.bytes) &&
    JSON.stringify(a.settings) === JSON.stringify(b.settings)
  );
}

function hasSameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
