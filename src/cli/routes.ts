/**
 * `sluice routes`: shows which requests go where, in one table.
 *
 * Thread: acceptor.
 */
import { defined } from '../base/assert.js';
import { formatDuration } from '../base/quantities.js';
import { answerText } from '../config/compile/compile-answer.js';
import type { CompiledConfig, CompiledLimiter, CompiledRoute } from '../config/compiled-config.js';
import { loadForCommand } from './command-config.js';
import { type CommandArguments, type CommandIo, EXIT_OK, type ExitCode } from './command-io.js';
import { reportErrors } from './report-error.js';

const HEADINGS = ['METHODS', 'PATH', 'NAME', 'UPSTREAM', 'AUTH', 'LIMIT'];
const COLUMN_GAP = '  ';

/** Prints one line a route. */
export function routesCommand(args: CommandArguments, io: CommandIo): Promise<ExitCode> {
  return reportErrors(io, () => {
    io.stdout.write(formatRoutes(loadForCommand(args, io)));
    return EXIT_OK;
  });
}

/** The table of all routes, in the order of the file. */
export function formatRoutes(config: CompiledConfig): string {
  const rows = [HEADINGS, ...config.routes.map((route) => routeCells(route, config))];
  const widths = HEADINGS.map((_, column) =>
    Math.max(...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  const lines = rows.map((cells) => {
    const padded = cells.map((cell, column) => cell.padEnd(widths[column] ?? 0));
    return `${padded.join(COLUMN_GAP).trimEnd()}\n`;
  });
  return lines.join('');
}

function routeCells(route: CompiledRoute, config: CompiledConfig): string[] {
  const authenticators = route.authenticators.map(
    (index) => defined(config.authenticators[index], 'authenticator of a route').name,
  );
  return [
    route.methods.length === 0 ? '*' : route.methods.join(','),
    route.path,
    route.name,
    answerText(route.answer, config),
    authenticators.length === 0 ? 'public' : authenticators.join(','),
    route.limiterIndexes.length === 0
      ? '-'
      : route.limiterIndexes
          .map((index) => formatLimit(defined(config.limiters[index], 'limiter of a route')))
          .join('; '),
  ];
}

function formatLimit({ limit, windowMs, algorithm, ...limiter }: CompiledLimiter): string {
  const names = limiter.keys.map((key) =>
    key.kind === 'header' ? `header:${key.header}` : key.kind,
  );
  const by = `by ${names.join(' and ')}`;
  const mode = limiter.mode === 'shadow' ? ' (shadow)' : '';
  if (algorithm === 'inFlight') return `${limit} in flight ${by}${mode}`;
  const bucket = algorithm === 'tokenBucket' ? `, burst ${limiter.burst}` : '';
  const cost = limiter.cost === 1 ? '' : `, cost ${limiter.cost}`;
  return `${limit} per ${formatDuration(windowMs)} ${by}${bucket}${cost}${mode}`;
}
