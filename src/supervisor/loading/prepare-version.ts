/**
 * Makes the next version of the configuration, down to what threads get: reads, checks, compiles,
 * says what is different, gives every part its row.
 *
 * Thread: loader. Everything whose time grows with the configuration is done here, beside the
 * threads that serve.
 */

import { defined } from '../../base/assert.js';
import { type ConfigChange, diffConfigs } from '../../config/changes/diff-config.js';
import { restartReasons } from '../../config/changes/live-fields.js';
import { ConfigError } from '../../config/check/config-error.js';
import { withAddresses } from '../../config/compile/compile-config.js';
import type { GatewayConfig } from '../../config/gateway-config.js';
import type { IngressReport } from '../../config/kubernetes-settings.js';
import { type FileStamp, takeFilesRead } from '../../config/references/files-read.js';
import type { TargetAddresses } from '../../config/references/target-addresses.js';
import { hasSameTargets, placeConfig, rowsInUse } from '../../config/shared/place-config.js';
import type { SharedConfig } from '../../config/shared/shared-config.js';
import { type LoadOrder, loadFile, loadObject } from '../../config/source/load-file.js';
import type { NextVersion } from '../epoch-table.js';
import { hasSameEffect, type KeptVersion, keepVersion, writtenOf } from './kept-version.js';
import { proveConfig } from './prove-config.js';

/** Changes that are told one by one; of more only the number is. */
const CHANGES_MAX = 1000;

/** What the next version is made of. */
export type VersionSource =
  | { readonly kind: 'file'; readonly file: LoadOrder }
  | { readonly kind: 'object'; readonly written: GatewayConfig }
  | { readonly kind: 'kept'; readonly version: KeptVersion };

export interface VersionOrder {
  readonly source: VersionSource;
  /** In force, as it was written. */
  readonly before: KeptVersion;
  /** What names of targets are known to point to. */
  readonly addresses: TargetAddresses;
  readonly next: NextVersion;
  /** Name of a plugin that begins anew; absent: none does. */
  readonly restored?: string;
}

/** What came of an order. */
export type VersionReport =
  | {
      readonly outcome: 'ready';
      readonly kept: KeptVersion;
      /** With its rows, ready for threads. */
      readonly placed: SharedConfig;
      /** The first thousand. */
      readonly changes: readonly ConfigChange[];
      readonly changeCount: number;
      /** The version in force does the same. */
      readonly hasSameEffect: boolean;
      /** The version in force has the same targets. */
      readonly hasSameTargets: boolean;
      /** What was read besides the configuration itself. */
      readonly files: readonly FileStamp[];
      /** What became of objects of a cluster; absent: there are none. */
      readonly ingress?: IngressReport;
    }
  | {
      readonly outcome: 'refused';
      readonly reasons: readonly string[];
      readonly files: readonly FileStamp[];
    };

/** Throws only what is a mistake of our own. */
export async function prepareVersion(
  order: VersionOrder,
  unixMs: () => number,
): Promise<VersionReport> {
  // Whatever was read before this was for something else.
  takeFilesRead();
  try {
    return await prepare(order, unixMs);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const reasons = error instanceof ConfigError ? error.message.split('\n') : [error.message];
    return { outcome: 'refused', reasons, files: takeFilesRead() };
  }
}

async function prepare(
  { source, before, addresses, next, restored = '' }: VersionOrder,
  unixMs: () => number,
): Promise<VersionReport> {
  const inForce = defined(next.versions.at(-1), 'the version in force').settings;
  const { kept, ingress } = keptOf(source);
  const reasons = restartReasons(inForce, kept.compiled.settings);
  if (reasons.length > 0) return { outcome: 'refused', reasons, files: takeFilesRead() };
  const written = writtenOf(kept);
  const changes = diffConfigs(writtenOf(before), written);
  const settings = withAddresses(written.upstreams, kept.compiled.settings, addresses);
  const placed = placeConfig({ ...kept.compiled, settings }, rowsInUse(next.versions), {
    ...next,
    restored,
  });
  await proveConfig(placed, unixMs);
  return {
    outcome: 'ready',
    kept,
    placed,
    changes: changes.slice(0, CHANGES_MAX),
    changeCount: changes.length,
    hasSameEffect: hasSameEffect(before, kept),
    hasSameTargets: hasSameTargets(settings, inForce),
    files: takeFilesRead(),
    ...(ingress !== undefined && { ingress }),
  };
}

function keptOf(source: VersionSource): {
  readonly kept: KeptVersion;
  readonly ingress?: IngressReport;
} {
  switch (source.kind) {
    case 'file': {
      const loaded = loadFile(source.file);
      const { ingress } = loaded;
      return { kept: keepVersion(loaded), ...(ingress !== undefined && { ingress }) };
    }
    case 'object':
      return { kept: keepVersion(loadObject(source.written)) };
    default:
      return { kept: source.version };
  }
}
