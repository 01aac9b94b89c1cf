/**
 * Turns log lines into text for a person at a terminal.
 *
 * Thread: any (pure). A request is one line: status, method, target, upstream target, duration.
 * Control characters never reach the terminal, which text from clients could steer otherwise.
 */

const LEVEL_COLOURS: Readonly<Record<string, number>> = {
  trace: 90,
  debug: 90,
  info: 36,
  warn: 33,
  error: 31,
  fatal: 31,
};
/** Members that every reader knows, or that the line shows in another place. */
const LEFT_OUT: ReadonlySet<string> = new Set(['level', 'time', 'thread', 'msg', 'err']);

type Line = Readonly<Record<string, unknown>>;

/** The line for a person, with its line feed. A line that is not JSON stays as it is. */
export function readableLine(json: string): string {
  let line: Line;
  try {
    line = JSON.parse(json) as Line;
  } catch {
    return json;
  }
  const time = textOf(line['time']).slice(11, 23);
  const text = line['msg'] === 'request' ? requestText(line) : eventText(line);
  return `${colour(90, time)} ${text}\n`;
}

function requestText(line: Line): string {
  const status = Number(line['status']);
  const to = textOf(line['upstreamTarget']);
  const code = textOf(line['code']);
  const tries = Number(line['tries']) > 1 ? ` (${textOf(line['tries'])} tries)` : '';
  const end = line['end'] === 'complete' ? '' : ` ${colour(33, textOf(line['end']))}`;
  return [
    colour(statusColour(status), String(status)),
    `${textOf(line['method']).padEnd(4)} ${textOf(line['target'])}`,
    to === '' ? '' : colour(90, `→ ${to}${tries}`),
    `${textOf(line['durationMs'])} ms`,
    `${code === '' ? '' : colour(33, code)}${end}`,
  ]
    .filter((part) => part !== '')
    .join('  ');
}

function eventText(line: Line): string {
  const level = textOf(line['level']);
  const more = Object.entries(line)
    .filter(([name]) => !LEFT_OUT.has(name))
    .map(([name, value]) => `${name}=${textOf(value)}`);
  const name = colour(LEVEL_COLOURS[level] ?? 0, level.toUpperCase().padEnd(5));
  const rest = more.length === 0 ? '' : `  ${colour(90, more.join(' '))}`;
  return `${name} ${textOf(line['msg'])}${rest}${errorText(line['err'])}`;
}

/** The stack of an error, on lines of its own. */
function errorText(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  const stack: unknown = Reflect.get(error, 'stack') ?? Reflect.get(error, 'message');
  if (typeof stack !== 'string') return `\n  ${textOf(error)}`;
  return stack
    .split('\n')
    .map((row) => `\n  ${printable(row)}`)
    .join('');
}

function statusColour(status: number): number {
  if (status >= 500) return 31;
  if (status >= 400) return 33;
  return status >= 300 ? 36 : 32;
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  return printable(typeof value === 'object' ? JSON.stringify(value) : String(value));
}

function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, '�');
}

function colour(code: number, text: string): string {
  return code === 0 || text === '' ? text : `\u001b[${code}m${text}\u001b[0m`;
}
