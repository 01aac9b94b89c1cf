/**
 * `sluice run`: runs the gateway until a signal ends it; without a file, runs the demo.
 *
 * Thread: supervisor (on the main thread). SIGHUP reads the configuration again.
 */
import { randomBytes } from 'node:crypto';
import { fileSource } from '../config/source/config-source.js';
import { loadConfigText } from '../config/source/load-config.js';
import { loadObject } from '../config/source/load-file.js';
import { type CommandIo, EXIT_OK, type ExitCode } from './command-io.js';
import type { RunOptions } from './command-line.js';
import {
  ENDING_SIGNALS,
  type GatewayFactory,
  LOG_SIGNALS,
  runUntilSignal,
  type Signal,
  type SignalSource,
} from './run-until-signal.js';

/** Makes the `run` command for a kind of gateway and a process. */
export function createRunCommand(createGateway: GatewayFactory, signals: SignalSource) {
  const run = async ({ configFile, from }: RunOptions, io: CommandIo): Promise<ExitCode> => {
    if (from !== undefined) {
      // Nothing of this is loaded where the configuration is a file.
      const { runFromStore } = await import('./run-from-store.js');
      return runFromStore({ ...from, localFile: configFile ?? null }, io, {
        createGateway,
        signals,
      });
    }
    if (configFile === undefined) return runDemo(createGateway, signals, io);
    const source = fileSource(configFile, io.env);
    const first = source.load();
    if (first.compiled.kubernetes !== null) {
      const { runWithCluster } = await import('./run-with-cluster.js');
      return runWithCluster(configFile, first, io, { createGateway, signals });
    }
    return runUntilSignal(signals, io, {
      create: (onGivingUp) => createGateway(first, { source, onGivingUp }),
      onStarted: async () => {},
      onHangUp: (gateway) => void gateway.reload('signal'),
    });
  };
  return async (options: RunOptions, io: CommandIo): Promise<ExitCode> => {
    // From the beginning: a start may wait for a store, or for a cluster, as long as that takes.
    // Whatever SIGHUP is sent for, the configuration has it that is still to be read.
    const isRead = options.configFile !== undefined || options.from !== undefined;
    const ignored = isRead ? ([...LOG_SIGNALS, 'SIGHUP'] as const) : LOG_SIGNALS;
    for (const name of ignored) signals.on(name, ignore);
    const first = ENDING_SIGNALS.map((name) => ({ name, end: endUnlessHeard(name, signals) }));
    for (const { name, end } of first) signals.on(name, end);
    try {
      return await run(options, io);
    } finally {
      for (const name of ignored) signals.off(name, ignore);
      for (const { name, end } of first) signals.off(name, end);
    }
  };
}

/** Ends the process at a signal that nobody else hears: nothing is there yet that has to end. */
function endUnlessHeard(name: Signal, signals: SignalSource): () => void {
  return () => {
    if (signals.listenerCount(name) === 1) signals.exit(EXIT_OK);
  };
}

/** Until there is a gateway, there is no log to say it in. */
function ignore(): void {}

async function runDemo(
  createGateway: GatewayFactory,
  signals: SignalSource,
  io: CommandIo,
): Promise<ExitCode> {
  // The demo is loaded only here, so that no other configuration waits for it.
  const { DEMO_CONFIG_NAME, DEMO_CONFIG_TEXT, demoEnvironment } = await import('./demo-config.js');
  const { demoGuide } = await import('./demo-guide.js');
  const { startDemoUpstreams } = await import('./demo-upstreams.js');
  const secret = randomBytes(32).toString('hex');
  const upstreams = await startDemoUpstreams();
  try {
    const environment = demoEnvironment(upstreams, secret, io.env);
    const file = { file: DEMO_CONFIG_NAME, environment };
    const first = loadObject(loadConfigText(DEMO_CONFIG_TEXT, file));
    return await runUntilSignal(signals, io, {
      create: (onGivingUp) => createGateway(first, { onGivingUp }),
      onStarted: async ({ address, adminAddress }) => {
        const addresses = { address, admin: adminAddress };
        io.stdout.write(await demoGuide(first.compiled, addresses, io.clock.unixMs()));
      },
    });
  } finally {
    await upstreams.close();
  }
}
