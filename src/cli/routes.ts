/**
 * `sluice routes`: shows which requests go where, in one table.
 *
 * Thread: supervisor (on the main thread).
 */
import { defined } from '../base/assert.js';
import { formatDuration } from '../base/quantities.js';
import { answerText } from '../config/compile/compile-answer.js';
import type { CompiledConfig, CompiledLimiter, CompiledRoute } from '../config/compiled-config.js';
import { routePatterns } from '../config/shared/route-patterns.js';
import { comparePrecedence, conditionText } from '../routing/precedence.js';
import type { RoutePattern } from '../routing/route-pattern.js';
import { loadForCommand } from './command-config.js';
import { type CommandArguments, type CommandIo, EXIT_OK, type ExitCode } from './command-io.js';
import { reportErrors } from './report-error.js';

const HEADINGS = ['METHODS', 'PATH', 'IF', 'NAME', 'UPSTREAM', 'AUTH', 'LIMIT'];
/** Place of the column that is left out where no route has a condition. */
const IF_COLUMN = 2;
const COLUMN_GAP = '  ';

/** Prints one line a route. */
export function routesCommand(args: CommandArguments, io: CommandIo): Promise<ExitCode> {
  return reportErrors(io, () => {
    io.stdout.write(formatRoutes(loadForCommand(args, io)));
    return EXIT_OK;
  });
}

/** The table of all routes, in the order in which they are tried. */
export function formatRoutes(config: CompiledConfig): string {
  const ordered = config.routes.toSorted((one, other) =>
    comparePrecedence(patternOf(one), patternOf(other)),
  );
  const rows = withoutEmptyColumn([HEADINGS, ...ordered.map((route) => routeCells(route, config))]);
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  const lines = rows.map((cells) => {
    const padded = cells.map((cell, column) => cell.padEnd(widths[column] ?? 0));
    return `${padded.join(COLUMN_GAP).trimEnd()}\n`;
  });
  return lines.join('') + scopeLines(config);
}

/** What is judged of the operations of documents, and what is not. */
function scopeLines({ routes }: CompiledConfig): string {
  const lines = routes.flatMap(({ name, scope }) => {
    if (scope === undefined) return [];
    const judged = scope.judged.length === 0 ? 'nothing' : scope.judged.join(', ');
    return [`${name} judges ${judged}`, ...scope.unjudged.map((text) => `${name}: ${text}`)];
  });
  return lines.length === 0 ? '' : `\n${lines.join('\n')}\n`;
}

function routeCells(route: CompiledRoute, config: CompiledConfig): string[] {
  const authenticators = route.authenticators.map(
    (index) => defined(config.authenticators[index], 'authenticator of a route').name,
  );
  return [
    route.methods.length === 0 ? '*' : route.methods.join(','),
    `${hostsText(route)}${route.path}`,
    conditionsText(route),
    route.name,
    answerText(route.answer, config),
    callersText(authenticators, route),
    route.limiterIndexes.length === 0
      ? '-'
      : route.limiterIndexes
          .map((index) => formatLimit(defined(config.limiters[index], 'limiter of a route')))
          .join('; '),
  ];
}

function callersText(
  authenticators: readonly string[],
  { allowsAnonymous }: CompiledRoute,
): string {
  if (authenticators.length === 0) return 'public';
  return authenticators.join(',') + (allowsAnonymous === true ? ' or anonymous' : '');
}

function withoutEmptyColumn(rows: readonly string[][]): readonly string[][] {
  const isUsed = rows.slice(1).some((cells) => cells[IF_COLUMN] !== '-');
  return isUsed ? rows : rows.map((cells) => cells.toSpliced(IF_COLUMN, 1));
}

function patternOf(route: CompiledRoute): RoutePattern {
  return defined(routePatterns(route, route.index)[0], 'the pattern of a route');
}

function hostsText({ hosts = [] }: CompiledRoute): string {
  const [first = '', ...others] = hosts;
  return others.length === 0 ? first : `{${hosts.join(',')}}`;
}

function conditionsText({ conditions = [], priority = 0, version }: CompiledRoute): string {
  const texts = conditions.map(conditionText);
  if (version !== undefined) texts.push(`version ${version}`);
  if (priority !== 0) texts.push(`priority ${priority}`);
  return texts.length === 0 ? '-' : texts.join(', ');
}

function formatLimit({ limit, windowMs, algorithm, ...limiter }: CompiledLimiter): string {
  const names = limiter.keys.map((key) =>
    key.kind === 'header' ? `header:${key.header}` : key.kind,
  );
  const whose = limiter.callers === undefined ? '' : ` of ${limiter.callers} callers`;
  const by = `by ${names.join(' and ')}${whose}`;
  const mode = limiter.mode === 'shadow' ? ' (shadow)' : '';
  if (algorithm === 'inFlight') return `${limit} in flight ${by}${mode}`;
  const bucket = algorithm === 'tokenBucket' ? `, burst ${limiter.burst}` : '';
  const cost = limiter.cost === 1 ? '' : `, cost ${limiter.cost}`;
  return `${limit} per ${formatDuration(windowMs)} ${by}${bucket}${cost}${mode}`;
}
