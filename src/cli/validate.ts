/**
 * `sluice validate`: says that a configuration is right, or lists everything that is wrong.
 *
 * Thread: supervisor (on the main thread).
 */
import { counted } from '../base/counted.js';
import { PROBLEMS } from '../base/problems.js';
import { callsWithoutHttp2, NO_HTTP2 } from '../config/compile/calls-without-http2.js';
import { memoryLack } from '../config/compile/sizing.js';
import { UNVERIFIED_TARGETS, upstreamsUnverified } from '../config/compile/unverified-targets.js';
import type { CompiledConfig, CompiledDocument } from '../config/compiled-config.js';
import { unsoundStaples } from '../config/references/ocsp-response.js';
import { invalidPairs } from '../config/references/read-pairs.js';
import { endpointLack, SPIFFE_ENDPOINT_VARIABLE } from '../config/references/spiffe-endpoint.js';
import { shareConfig } from '../config/shared/share-config.js';
import { proveConfig } from '../supervisor/loading/prove-config.js';
import { loadForCommand, requireConfigFile } from './command-config.js';
import { type CommandArguments, type CommandIo, EXIT_OK, type ExitCode } from './command-io.js';
import { reportErrors } from './report-error.js';

/** Lines that are shown of what one document has that is not judged. */
const SHOWN_MAX = 50;

/** Prints `FILE: ok (3 routes, 2 upstreams)`, or on stderr one line for each mistake. */
export function validateCommand(args: CommandArguments, io: CommandIo): Promise<ExitCode> {
  return reportErrors(io, async () => {
    const config = loadForCommand(args, io);
    await proveConfig(shareConfig(config), io.clock.unixMs);
    for (const name of upstreamsUnverified(config.upstreams)) {
      io.stderr.write(`warning: upstream ${name}: ${UNVERIFIED_TARGETS}\n`);
    }
    for (const name of callsWithoutHttp2(config)) {
      io.stderr.write(`warning: route ${name}: ${NO_HTTP2}\n`);
    }
    for (const { cert, why } of invalidPairs(io.clock.unixMs())) {
      io.stderr.write(`warning: ${cert}: the certificate ${why}\n`);
    }
    for (const { file, why } of unsoundStaples(config.listeners)) {
      io.stderr.write(`warning: ${file}: ${why}; its certificate is served without it\n`);
    }
    for (const line of identityLines(config, io.env)) io.stderr.write(line);
    if (memoryLack(config) !== '') io.stderr.write(`warning: ${memoryLack(config)}\n`);
    io.stderr.write(threadsLine(config));
    for (const document of config.documents) io.stderr.write(warningsOf(document));
    io.stdout.write(`${requireConfigFile(args)}: ok (${summarize(config)})\n`);
    return EXIT_OK;
  });
}

/** What would be started on this machine: the number follows from its cores unless it is given. */
function threadsLine({ acceptors, workers, machine }: CompiledConfig): string {
  const threads = `${counted(acceptors, 'acceptor')} and ${counted(workers, 'worker')}`;
  return `note: on this machine (${counted(machine.cores, 'core')}): ${threads}\n`;
}

/** Who needs an identity of the gateway itself, and where that comes from. */
function identityLines({ spiffe }: CompiledConfig, env: CommandIo['env']): string[] {
  if (spiffe === null) return [];
  const endpoint = spiffe.endpoint || (env[SPIFFE_ENDPOINT_VARIABLE] ?? '');
  const lack = endpointLack(endpoint);
  if (lack !== '') {
    const what = `${spiffe.users.join(', ') || 'spiffe'}: no identity for the gateway`;
    return [`warning: ${what}: ${lack} (until then 503, ${PROBLEMS.noIdentity.code})\n`];
  }
  return spiffe.users.map(
    (user) => `note: ${user}: needs an identity from the SPIFFE agent at ${endpoint}\n`,
  );
}

/** What of an OpenAPI document is not judged, a line each. */
function warningsOf({ route, unsupported, unsupportedCount }: CompiledDocument): string {
  const shown = unsupported.slice(0, SHOWN_MAX);
  const lines = shown.map((text) => `warning: route ${route}: ${text}\n`);
  const more = unsupportedCount - shown.length;
  if (more > 0)
    lines.push(`warning: route ${route}: and ${counted(more, 'more place')} like these\n`);
  return lines.join('');
}

function summarize({ routes, upstreams }: CompiledConfig): string {
  return `${counted(routes.length, 'route')}, ${counted(upstreams.length, 'upstream')}`;
}
