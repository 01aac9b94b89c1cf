/**
 * `sluice status`: says how a running gateway does, and what is wrong with it.
 *
 * Thread: supervisor (on the main thread). Exit codes: 0 it is ready, 1 it is not, or nobody
 * answers. With `--cluster` see cluster-status.ts.
 */
import { DEFAULTS } from '../config/schema/defaults.js';
import {
  type AdminAnswer,
  AdminUnreachableError,
  findAdmin,
  readOpenPage,
} from './admin-client.js';
import {
  type CommandArguments,
  type CommandIo,
  EXIT_FAILURE,
  EXIT_OK,
  type ExitCode,
  UsageError,
} from './command-io.js';
import { reportErrors } from './report-error.js';
import { type GatewayStats, statusText, troublesOf } from './status-text.js';

/** Where the admin listener is unless something else is configured. */
const USUAL_ADMIN = `http://${DEFAULTS.admin.host}:${DEFAULTS.admin.port}`;

/** Prints a few lines, or JSON. */
export function statusCommand(args: CommandArguments, io: CommandIo): Promise<ExitCode> {
  return reportErrors(io, async () => {
    if (args.isCluster) return (await import('./cluster-status.js')).clusterStatus(args, io);
    if (args.to !== undefined) throw new UsageError('--to STORE goes with --cluster only');
    try {
      return await gatewayStatus(args, io);
    } catch (error) {
      if (!(error instanceof AdminUnreachableError)) throw error;
      io.stderr.write(`sluice: ${error.message}; --admin URL or -c FILE names another\n`);
      return EXIT_FAILURE;
    }
  });
}

async function gatewayStatus(args: CommandArguments, io: CommandIo): Promise<ExitCode> {
  const isNamed = args.admin !== undefined || args.configFile !== undefined;
  const place = findAdmin(isNamed ? args : { ...args, admin: USUAL_ADMIN }, io);
  const ready = await readOpenPage('/readyz', place);
  const readiness = ready.body['status'];
  if (readiness === 'no configuration') return reportWaiting(place.url, ready.body, args, io);
  const { status, body } = await readOpenPage('/stats', place);
  if (typeof readiness !== 'string' || status !== 200 || !isStats(body)) {
    const what = `${place.url}/stats answered ${status}, and not as an admin listener does`;
    io.stderr.write(`sluice: ${what}: name that with --admin URL\n`);
    return EXIT_FAILURE;
  }
  const shown = { gateway: place.url, readiness, troubles: troublesOf(body) };
  const json = (): string => `${JSON.stringify({ ...shown, stats: body }, null, 2)}\n`;
  io.stdout.write(args.isJson ? json() : statusText(shown, body));
  return readiness === 'ready' ? EXIT_OK : EXIT_FAILURE;
}

/** A gateway without a configuration has no figures. */
function reportWaiting(
  gateway: string,
  { status: readiness, configuration }: AdminAnswer['body'],
  args: CommandArguments,
  io: CommandIo,
): ExitCode {
  const { provider } = (configuration ?? {}) as { readonly provider?: unknown };
  const waits = `waits for its first one out of a store (${provider ?? 'unknown'})`;
  const json = (): string => {
    const troubles = [`no configuration: it ${waits}`];
    return `${JSON.stringify({ gateway, readiness, troubles, stats: null }, null, 2)}\n`;
  };
  io.stdout.write(args.isJson ? json() : `${readiness}: the gateway at ${gateway} ${waits}\n`);
  return EXIT_FAILURE;
}

/** Of whatever version: what is not there is not shown. */
function isStats(body: object): body is GatewayStats {
  return 'configuration' in body && typeof body.configuration === 'object';
}
