/**
 * An explanation as text for a terminal.
 *
 * Thread: any (pure). Control characters are shown as escapes: part of the text comes from others.
 */
import type { CacheShown, Explanation, LimitShown, Outcome, TargetShown } from './explanation.js';

const RESULT_MARKS = {
  passes: 'ok',
  refuses: 'REFUSED',
  answers: 'ANSWERS',
  notReached: '-',
} as const;

export function formatExplanation(explanation: Explanation): string {
  const { request, candidates, steps, limits, targets, othersCount } = explanation;
  const consumer = request.consumer === '' ? '' : `, consumer ${request.consumer}`;
  const state = explanation.isLive
    ? `configuration ${explanation.configEpoch} of the gateway that runs`
    : 'a gateway that has just started';
  const path = request.path === '' ? '(no path)' : request.path;
  const sections = [
    [`${request.method} ${path}  from ${request.clientIp}${consumer}`, `with ${state}`],
    [outcomeText(explanation.outcome)],
    section('ROUTES', [
      ...candidates.map(({ route, path, methods, isChosen, why }) => [
        isChosen ? '=>' : '',
        route,
        `${methods.length === 0 ? '*' : methods.join(',')} ${path}`,
        why,
      ]),
      ...(othersCount === 0 ? [] : [['', `${othersCount} more`, '', 'have another path']]),
    ]),
    section(
      'STEPS',
      steps.map(({ step, result, detail }, at) => [
        String(at + 1),
        step,
        RESULT_MARKS[result],
        detail,
      ]),
    ),
    section('CACHE', cacheRows(explanation.cache)),
    section('LIMITS', limits.map(limitRow)),
    section('TARGETS', targets.map(targetRow)),
  ];
  const text = sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n');
  return `${printable(text)}\n`;
}

function outcomeText(outcome: Outcome): string {
  if (outcome.kind === 'forwarded') {
    return `goes to ${outcome.target} as ${outcome.upstreamTarget}`;
  }
  const { status, detail, grpcStatus } = outcome;
  const forCall = grpcStatus === undefined ? '' : `, in gRPC ${grpcStatus}`;
  if (outcome.kind === 'answered') return `is answered with ${status}${forCall}: ${detail}`;
  const { code, part, bodyType } = outcome;
  const as = bodyType === undefined ? forCall : `, as ${bodyType}`;
  return `is answered with ${status} ${code} (${part})${as}: ${detail}`;
}

function cacheRows(cache: CacheShown | null): string[][] {
  if (cache === null) return [];
  return [
    ['result', cache.result],
    ...cache.key.map((part, at) => [at === 0 ? 'key' : '', part]),
    ['why', cache.why],
  ];
}

function limitRow(limit: LimitShown): string[] {
  const { quota, windowSeconds, remaining, hasRoom, resetSeconds, mode, reserve } = limit;
  const rule = windowSeconds === 0 ? `${quota} in flight` : `${quota} per ${windowSeconds}s`;
  const left = `${remaining} left${resetSeconds === 0 ? '' : `, all in ${resetSeconds}s`}`;
  const note = mode === 'shadow' ? ' (shadow: refuses nobody)' : '';
  return [
    hasRoom ? '' : '!',
    limit.limit,
    `${rule}, ${limit.algorithm}${reserve === undefined ? '' : `, ${reserve} reserved`}`,
    `by ${limit.key}`,
    left + note,
  ];
}

function targetRow(target: TargetShown): string[] {
  const { state, why, until, circuitBreaker, inFlight, isPicked } = target;
  const end = until === null ? '' : ` until ${until}`;
  const reason = why === 'none' || why === 'started' ? '' : ` (${why})`;
  return [
    isPicked ? '=>' : '',
    target.target,
    `${state}${reason}${end}`,
    `breaker ${circuitBreaker}`,
    `${inFlight} in flight`,
  ];
}

/** A heading, then rows in aligned columns. */
function section(heading: string, rows: readonly (readonly string[])[]): string[] {
  if (rows.length === 0) return [];
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length);
  }
  const lines = rows.map((row) => {
    const cells = row.map((cell, at) => cell.padEnd(widths[at] ?? 0));
    return `  ${cells.join('  ').trimEnd()}`;
  });
  return [heading, ...lines];
}

function printable(text: string): string {
  return text.replace(/(?!\n)[\p{Cc}\p{Cf}]/gu, '\u{fffd}');
}
