/**
 * `sluice explain METHOD URL`: says what would happen to a request, and why.
 *
 * Thread: supervisor (on the main thread). With a file, the state is that of a gateway that has
 * just started. With --admin, a running gateway explains, with its present state. Nothing is sent
 * to any target.
 */
import { isIP } from 'node:net';
import { momentOf } from '../base/clock.js';
import { StartupError } from '../base/startup-error.js';
import { withImaginedTargets } from '../config/shared/imagined-targets.js';
import { shareConfig } from '../config/shared/share-config.js';
import { openConfig } from '../config/shared/shared-config.js';
import { CacheCopy } from '../explain/cache-copy.js';
import { expectedEngine } from '../explain/expected-engine.js';
import { explainRequest } from '../explain/explain-request.js';
import { type ExplainedRequest, type Explanation, REPEAT_MAX } from '../explain/explanation.js';
import { formatExplanation } from '../explain/explanation-text.js';
import { listenerProblem } from '../explain/locate.js';
import { OFFLINE_AUTHENTICATORS } from '../supervisor/loading/offline-authenticators.js';
import { WorkerEpoch } from '../worker/worker-epoch.js';
import { adminUrl } from './admin-client.js';
import { loadForCommand } from './command-config.js';
import {
  type CommandArguments,
  type CommandIo,
  EXIT_OK,
  type ExitCode,
  UsageError,
} from './command-io.js';
import { reportErrors } from './report-error.js';

const DEFAULT_HOST = 'localhost';
const ADMIN_TIMEOUT_MS = 10_000;
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/;

/** Prints the explanation. A request that would be refused is no failure of the command. */
export function explainCommand(args: CommandArguments, io: CommandIo): Promise<ExitCode> {
  return reportErrors(io, async () => {
    const request = readRequest(args);
    const explanation =
      args.admin === undefined
        ? await explainOffline(request, args, io)
        : await askGateway(request, args.admin);
    const text = args.isJson
      ? `${JSON.stringify(explanation, null, 2)}\n`
      : formatExplanation(explanation);
    io.stdout.write(text);
    return EXIT_OK;
  });
}

async function explainOffline(
  request: ExplainedRequest,
  args: CommandArguments,
  io: CommandIo,
): Promise<Explanation> {
  const config = withImaginedTargets(openConfig(shareConfig(loadForCommand(args, io))));
  const problem = listenerProblem(request, config);
  if (problem !== '') throw new UsageError(problem);
  return explainRequest(request, {
    config,
    epoch: await WorkerEpoch.create(config, OFFLINE_AUTHENTICATORS, io.clock.unixMs),
    engineOf: expectedEngine,
    memory: null,
    cache: CacheCopy.empty(),
    hashKey: [1, 2],
    moment: momentOf(io.clock),
  });
}

async function askGateway(request: ExplainedRequest, admin: string): Promise<Explanation> {
  const base = adminUrl(admin);
  const reply = await fetch(new URL('/explain', base), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
    signal: AbortSignal.timeout(ADMIN_TIMEOUT_MS),
  }).catch((error: unknown) => {
    const cause = error instanceof Error ? (error.cause ?? error) : error;
    throw new StartupError(
      `no answer from ${base}: ${cause instanceof Error ? cause.message : cause}`,
    );
  });
  if (!reply.ok) throw new StartupError(`${base} answered ${reply.status}: ${await reply.text()}`);
  return (await reply.json()) as Explanation;
}

function readRequest(args: CommandArguments): ExplainedRequest {
  const [method, url] = args.words;
  if (method === undefined || url === undefined) {
    throw new UsageError('explain takes a method and a URL: sluice explain METHOD URL');
  }
  const { target, host } = readUrl(url);
  const fields = args.headers.map(readField);
  if (!fields.some(([name]) => name === 'host')) fields.unshift(['host', host]);
  const from = args.from ?? '127.0.0.1';
  const repeat = Number(args.repeat ?? 1);
  if (!Number.isInteger(repeat) || repeat < 1 || repeat > REPEAT_MAX) {
    throw new UsageError(`--repeat must be an integer from 1 to ${REPEAT_MAX}`);
  }
  if (isIP(from) === 0) throw new UsageError(`--from must be an IP address, not "${from}"`);
  return {
    method: method.toUpperCase(),
    target,
    fields,
    from,
    listener: args.listener ?? '',
    consumer: args.consumer ?? null,
    repeat,
  };
}

/** A path alone is enough. A path is not changed, so that users can try odd paths. */
function readUrl(url: string): { readonly target: string; readonly host: string } {
  if (url.startsWith('/')) return { target: url, host: DEFAULT_HOST };
  const match = /^https?:\/\/([^/?#]+)(.*)$/i.exec(url);
  if (match === null) throw new UsageError(`the URL must begin with / or http://, not "${url}"`);
  const [, host = DEFAULT_HOST, rest = ''] = match;
  const target = rest.split('#', 1)[0] ?? '';
  return { target: target.startsWith('/') ? target : `/${target}`, host };
}

function readField(text: string): [string, string] {
  const [, name, value] = FIELD.exec(text) ?? [];
  if (name === undefined) throw new UsageError(`-H must be "name: value", not "${text}"`);
  return [name.toLowerCase(), value ?? ''];
}
