/**
 * `sluice run --config-from STORE`: runs the gateway with a configuration out of etcd or Consul.
 *
 *     store, within the boot time ─► copy on disk ─► wait, or fail
 *
 * Thread: supervisor (on the main thread).
 */
import { hostname } from 'node:os';
import { shortOriginRow } from '../admin/live-rows.js';
import type { CompiledConfig } from '../config/compiled-config.js';
import { readMachineLimits } from '../config/machine-limits.js';
import type { ConfigDocument } from '../config/source/config-document.js';
import { type LoadedConfig, loadFile } from '../config/source/load-file.js';
import { readVersion } from '../supervisor/package-version.js';
import { LastGoodCopy } from '../supervisor/sources/last-good-copy.js';
import { openStore, storeRandom } from '../supervisor/sources/open-store.js';
import { ReleaseFollower } from '../supervisor/sources/release-follower.js';
import { parseStoreAddress } from '../supervisor/sources/store-address.js';
import { WaitingRoom } from '../supervisor/sources/waiting-room.js';
import { type CommandIo, EXIT_FAILURE, EXIT_OK, type ExitCode } from './command-io.js';
import {
  ENDING_SIGNALS,
  type GatewayFactory,
  runUntilSignal,
  type SignalSource,
} from './run-until-signal.js';
import { stayAliveDuring } from './stay-alive.js';
import type { StoreRunOptions } from './store-options.js';

/** What starting a gateway takes. */
export interface RunParts {
  readonly createGateway: GatewayFactory;
  readonly signals: SignalSource;
}

/** Stands for what the store will say, where only the addresses of the local file are wanted. */
const PLACEHOLDER: ConfigDocument = {
  name: 'placeholder',
  team: '',
  text: JSON.stringify({
    upstreams: { 'sluice-placeholder': { targets: [{ url: 'http://127.0.0.1:9' }] } },
    routes: [
      {
        name: 'sluice-placeholder',
        match: { path: '/sluice-placeholder' },
        upstream: 'sluice-placeholder',
      },
    ],
  }),
};

/** Settles when the gateway has stopped. Throws UsageError and ConfigError before it starts. */
export function runFromStore(
  options: StoreRunOptions & { readonly localFile: string | null },
  io: CommandIo,
  parts: RunParts,
): Promise<ExitCode> {
  return stayAliveDuring(() => run(options, io, parts));
}

async function run(
  options: StoreRunOptions & { readonly localFile: string | null },
  io: CommandIo,
  parts: RunParts,
): Promise<ExitCode> {
  const address = parseStoreAddress(options.address, io.env);
  const local = localSettings(options.localFile, io);
  const stateDir = options.stateDir ?? local.stateDir;
  const copy =
    stateDir === ''
      ? null
      : new LastGoodCopy(stateDir, `${address.provider}:${address.prefix}`, io.clock);
  const store = await openStore(address, io.clock);
  const follower = new ReleaseFollower({
    ...{ store, copy, clock: io.clock, random: storeRandom },
    ...{ environment: io.env, localFile: options.localFile },
    node: options.node ?? `${hostname()}-${process.pid}`,
    version: readVersion(),
    log: (_level, fields, message) => {
      io.stderr.write(`sluice: ${message} ${JSON.stringify(fields)}\n`);
    },
  });
  if (copy === null) {
    io.stderr.write('sluice: no stateDir: without the store this gateway cannot start again\n');
  }
  follower.start();
  try {
    let first = await follower.first(options.bootMs);
    if (first === null) {
      if (options.mustNotWait) return nothingToStartWith(follower, io);
      first = await waitFor(follower, local, { io, signals: parts.signals });
    }
    return first === null ? EXIT_OK : await runWith(first, follower, io, parts);
  } finally {
    await follower.stop();
  }
}

function runWith(
  first: LoadedConfig,
  follower: ReleaseFollower,
  io: CommandIo,
  { createGateway, signals }: RunParts,
): Promise<ExitCode> {
  return runUntilSignal(signals, io, {
    create: (onGivingUp) => createGateway(first, { source: follower.source, onGivingUp }),
    onStarted: async (gateway) => {
      follower.attach({
        reload: () => gateway.reload('store'),
        isReloading: () => gateway.isReloading,
        log: gateway.note,
      });
    },
    // A gateway that drains takes no release: whoever waits for one is not to wait for it.
    onEnding: () => void follower.stop(),
    onHangUp: (gateway) => void gateway.reload('signal'),
  });
}

/** The local file with a route of ours; it has to be right, whatever the store says. */
function localSettings(localFile: string | null, io: CommandIo): CompiledConfig {
  return loadFile({
    ...{ file: localFile ?? 'placeholder', environment: io.env, machine: readMachineLimits() },
    store: { documents: [PLACEHOLDER], localFile },
  }).compiled;
}

function nothingToStartWith(follower: ReleaseFollower, io: CommandIo): ExitCode {
  const { store, trouble, refused } = follower.origin();
  const reasons = refused === null ? [trouble || 'it names no release'] : refused.reasons;
  const lines = [`sluice: no configuration from ${store}, and no copy on disk`, ...reasons];
  io.stderr.write(`${lines.join('\n')}\n`);
  return EXIT_FAILURE;
}

/** Answers with 503 until there is a configuration. null: a signal came first. */
async function waitFor(
  follower: ReleaseFollower,
  local: CompiledConfig,
  { io, signals }: { readonly io: CommandIo; readonly signals: SignalSource },
): Promise<LoadedConfig | null> {
  const room = new WaitingRoom();
  await room.open(local, () => shortOriginRow(follower.origin()));
  const { store } = follower.origin();
  io.stderr.write(`sluice: waits for a configuration from ${store}; clients get 503\n`);
  let onSignal = (): void => {};
  const ended = new Promise<null>((resolve) => {
    onSignal = () => resolve(null);
  });
  for (const name of ENDING_SIGNALS) signals.on(name, onSignal);
  try {
    return await Promise.race([follower.whenBooted(), ended]);
  } finally {
    for (const name of ENDING_SIGNALS) signals.off(name, onSignal);
    await room.close();
  }
}
