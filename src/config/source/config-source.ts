/**
 * Where a configuration comes from, and comes from again.
 *
 * Thread: supervisor. Owns nothing but what it last saw of the file.
 */
import { stat } from 'node:fs/promises';
import type { ClusterStatus } from '../../base/cluster-status.js';
import type { StoreOrigin } from '../../base/store-origin.js';
import type { ClusterObjects, IngressReport } from '../kubernetes-settings.js';
import { readMachineLimits } from '../machine-limits.js';
import {
  type FileStamp,
  stampOf,
  stampOfError,
  stampOfFile,
  takeFilesRead,
} from '../references/files-read.js';
import type { ConfigDocument } from './config-document.js';
import { IncludedFiles } from './included-files.js';
import { type LoadedConfig, type LoadOrder, loadFile } from './load-file.js';
import { PIPED_STAMP, pipedBytes } from './piped-file.js';
import type { Environment } from './variables.js';

export interface ConfigSource {
  /** What it is called in logs and figures. */
  readonly name: string;
  /** Reads it. Throws ConfigError with everything that is wrong. */
  load(): LoadedConfig;
  /** What another thread is to read. */
  order(): LoadOrder;
  /** Another thread has carried the last order out, and read these files besides. */
  onFilesRead(files: readonly FileStamp[]): void;
  /** Whether there is something else than what was loaded last; never rejects. */
  stamp(): Promise<string>;
  /** The stamp of what was loaded last, whether or not it was right. */
  readonly loadedStamp: string;
  /** Of a store of configurations: what it has said last. */
  origin?(): StoreOrigin;
  /** Of objects of a cluster: where they come from, and who hears what became of them. */
  readonly cluster?: ClusterView;
}

/** Objects of a cluster that become routes beside those of a file. */
export interface ClusterView {
  /** What there is now. */
  objects(): ClusterObjects;
  /** What has become of those that were given last; they are in force, or will be at once. */
  onReport(report: IngressReport): void;
  status(): ClusterStatus;
}

/** A file, and the environment that stands above it; `cluster`: what is put beside it. */
export function fileSource(
  file: string,
  environment: Environment,
  cluster?: ClusterView,
): ConfigSource {
  const source = sourceOf({ name: file, file, environment, ...(cluster && { cluster }) });
  return cluster === undefined ? source : Object.assign(source, { cluster });
}

export interface StoreSourceOptions {
  /** The store's name, without secrets. */
  readonly name: string;
  /** A file of this machine that stands above the documents; null: none. */
  readonly localFile: string | null;
  readonly environment: Environment;
  /** What is to be loaded next. */
  documents(): readonly ConfigDocument[];
  origin(): StoreOrigin;
}

/** Documents of a store, which somebody else has read, and a file of this machine. */
export function storeSource(options: StoreSourceOptions): ConfigSource {
  const { name, localFile, environment } = options;
  const source = sourceOf({
    ...{ name, file: localFile, environment },
    store: () => ({ documents: options.documents(), localFile }),
  });
  return Object.assign(source, { origin: () => options.origin() });
}

interface SourceParts {
  readonly name: string;
  readonly file: string | null;
  readonly environment: Environment;
  readonly cluster?: ClusterView;
  store?(): NonNullable<LoadOrder['store']>;
}

function sourceOf({ name, file, environment, store, cluster }: SourceParts): ConfigSource {
  // Once: what follows from it must not change while the gateway runs.
  const machine = readMachineLimits();
  const included = file === null ? null : new IncludedFiles(file);
  let ownStamp = '';
  let named: readonly FileStamp[] = [];
  const begin = (): void => {
    // Before it is read: a change while it is being read is another one.
    if (file !== null) ownStamp = included?.stamp(stampOfMain(file)) ?? '';
  };
  const orderNow = (): LoadOrder => {
    const documents = store?.();
    const order = {
      ...{ file: file ?? name, environment: { ...environment }, machine },
      ...(cluster !== undefined && { objects: cluster.objects() }),
      ...(file !== null && piped(file)),
    };
    return documents === undefined ? order : { ...order, store: documents };
  };
  return {
    name,
    get loadedStamp() {
      return joined(ownStamp, named);
    },
    load() {
      begin();
      // Whatever was read before this was for something else.
      takeFilesRead();
      try {
        const loaded = loadFile(orderNow());
        if (loaded.ingress !== undefined) cluster?.onReport(loaded.ingress);
        return loaded;
      } finally {
        named = takeFilesRead();
      }
    },
    order() {
      begin();
      // Whatever has changed in them by now is what is ordered.
      named = named.map((one) => ({ file: one.file, stamp: stampOfFile(one.file) }));
      return orderNow();
    },
    onFilesRead(files) {
      named = files;
    },
    async stamp() {
      const own = file === null ? '' : (included?.stamp(await stampLater(file)) ?? '');
      const now: FileStamp[] = [];
      for (const one of named) now.push({ file: one.file, stamp: await stampLater(one.file) });
      return joined(own, now);
    },
  };
}

/** The bytes go along, since the thread that loads them has no pipe. */
function piped(file: string): Pick<LoadOrder, 'piped'> {
  const bytes = pipedBytes(file);
  return bytes === undefined ? {} : { piped: bytes };
}

function stampOfMain(file: string): string {
  return pipedBytes(file) === undefined ? stampOfFile(file) : PIPED_STAMP;
}

function joined(own: string, named: readonly FileStamp[]): string {
  return [own, ...named.map(({ file, stamp }) => `${file} ${stamp}`)].join('\n');
}

/** That it cannot be looked at is a state of the file as well: loading it says why. */
async function stampLater(file: string): Promise<string> {
  if (pipedBytes(file) !== undefined) return PIPED_STAMP;
  try {
    return stampOf(await stat(file));
  } catch (error) {
    return stampOfError(error);
  }
}
