/**
 * Loads one configuration: reads, checks and compiles it.
 *
 * Thread: supervisor or loader. Owns nothing.
 */
import { checkedConfig } from '../check/check-config.js';
import { compileConfig } from '../compile/compile-config.js';
import type { CompiledConfig } from '../compiled-config.js';
import type { GatewayConfig } from '../gateway-config.js';
import { type ClusterObjects, type IngressReport, NO_OBJECTS } from '../kubernetes-settings.js';
import type { MachineLimits } from '../machine-limits.js';
import type { ConfigDocument } from './config-document.js';
import { loadClusterFile, loadConfigDocuments } from './load-config.js';
import { keepPiped } from './piped-file.js';
import type { Environment } from './variables.js';

/** A configuration as it was written, and as the threads use it. */
export interface LoadedConfig {
  readonly written: GatewayConfig;
  readonly compiled: CompiledConfig;
  /** What became of objects of a cluster; absent: the configuration asks for none. */
  readonly ingress?: IngressReport;
}

/** What to load, and for how many cores. */
export interface LoadOrder {
  readonly file: string;
  readonly environment: Environment;
  readonly machine: MachineLimits;
  /** What has come out of the file, where it is a pipe. */
  readonly piped?: Uint8Array;
  /** Present: the configuration is what these say, and what a file of this machine adds. */
  readonly store?: {
    readonly documents: readonly ConfigDocument[];
    /** null: none, and `file` is the name of the store. */
    readonly localFile: string | null;
  };
  /** Objects of a cluster that become routes; absent: there are none. Not for stores. */
  readonly objects?: ClusterObjects;
}

/** Checks and compiles what was written in TypeScript. Throws ConfigError. */
export function loadObject(written: GatewayConfig): LoadedConfig {
  return { written, compiled: compileConfig(checkedConfig(written)) };
}

/** Reads, checks and compiles a file, or documents of a store. Throws ConfigError. */
export function loadFile(order: LoadOrder): LoadedConfig {
  const { file, environment, machine, store, objects = NO_OBJECTS } = order;
  if (order.piped !== undefined) keepPiped(file, order.piped);
  if (store === undefined) {
    const { config: written, ingress } = loadClusterFile(file, environment, objects);
    const compiled = compileConfig(written, { machine });
    return ingress === null ? { written, compiled } : { written, compiled, ingress };
  }
  const { documents, localFile } = store;
  const written = loadConfigDocuments(documents, { file, environment, localFile });
  return { written, compiled: compileConfig(written, { machine }) };
}
