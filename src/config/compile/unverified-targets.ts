/**
 * Which upstreams would believe any certificate.
 *
 * Thread: any (pure).
 */
import type { CompiledUpstream } from '../compiled-config.js';

/** Said of each of them, by `validate` and in the log. */
export const UNVERIFIED_TARGETS =
  'certificates of targets are not verified (tls.verify is false, and there are no tls.pins): ' +
  'anybody on the way can read and change requests and replies';

/** Names of the upstreams of which some target is reached without knowing who it is. */
export function upstreamsUnverified(upstreams: readonly CompiledUpstream[]): string[] {
  return upstreams
    .filter(({ tls }) => tls.some(({ verifies, pins }) => !verifies && pins.length === 0))
    .map(({ name }) => name);
}
