/**
 * `sluice run` with a file that has `kubernetes`: objects of the cluster become routes beside those
 * of the file.
 *
 * Thread: supervisor (on the main thread).
 */
import { randomInt } from 'node:crypto';
import { fileSource } from '../config/source/config-source.js';
import type { LoadedConfig } from '../config/source/load-file.js';
import { accessTo } from '../supervisor/discovery/kube-access.js';
import { ClusterFollower } from '../supervisor/kubernetes/cluster-follower.js';
import { LastGoodCopy } from '../supervisor/sources/last-good-copy.js';
import type { CommandIo, ExitCode } from './command-io.js';
import type { RunParts } from './run-from-store.js';
import { runUntilSignal } from './run-until-signal.js';
import { stayAliveDuring } from './stay-alive.js';

/** How long a gateway that starts waits for the cluster. */
const BOOT_MS = 5000;
const RANDOM_STEPS = 1_000_000;

/** `before`: the file, with no objects yet. Settles when the gateway has stopped. */
export function runWithCluster(
  file: string,
  before: LoadedConfig,
  io: CommandIo,
  parts: RunParts,
): Promise<ExitCode> {
  return stayAliveDuring(() => run(file, before, io, parts));
}

async function run(
  file: string,
  { compiled }: LoadedConfig,
  io: CommandIo,
  { createGateway, signals }: RunParts,
): Promise<ExitCode> {
  const { kubernetes: settings, stateDir } = compiled;
  if (settings === null) throw new Error('the file has kubernetes');
  const { controller, className } = settings.ingress;
  const cluster = new ClusterFollower({
    ...{ settings, clock: io.clock, random: () => randomInt(RANDOM_STEPS) / RANDOM_STEPS },
    access: () => accessTo(settings, io.env),
    copy:
      stateDir === ''
        ? null
        : new LastGoodCopy(stateDir, `kubernetes:${controller}:${className}`, io.clock),
    log: (_level, fields, message) => {
      io.stderr.write(`sluice: ${message} ${JSON.stringify(fields)}\n`);
    },
  });
  try {
    await cluster.start(BOOT_MS);
    const source = fileSource(file, io.env, cluster);
    const first = source.load();
    return await runUntilSignal(signals, io, {
      create: async (onGivingUp) => {
        const gateway = await createGateway(first, { source, onGivingUp });
        const reload = () => gateway.reload('kubernetes');
        const useCertificates = gateway.useCertificates.bind(gateway);
        cluster.attach({ reload, useCertificates, log: gateway.note });
        return gateway;
      },
      onStarted: async () => cluster.started(),
      onHangUp: (gateway) => void gateway.reload('signal'),
    });
  } finally {
    cluster.stop();
  }
}
