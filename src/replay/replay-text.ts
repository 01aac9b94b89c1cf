/**
 * What a replay has found, for a person to read.
 *
 * Thread: any (pure). Texts of a log come from strangers: control characters are made visible.
 */
import { counted } from '../base/counted.js';
import { CHANGE_KINDS, type Change, type ChangeKind } from './changes.js';
import type { ReplayResult } from './replayer.js';

const TITLES: Readonly<Record<ChangeKind, string>> = {
  refused: 'refused now',
  admitted: 'no longer refused',
  refusal: 'refused in another way',
  route: 'taken by another route',
  upstream: 'sent elsewhere',
  path: 'sent with another path',
  unknown: 'not known who calls',
};
const SHOWN_OF_KIND = 10;
const NUMBER_WIDTH = 9;

export function formatReplay(result: ReplayResult): string {
  const { requests, changed, unlisted, changes, otherLines, unreadableLines } = result;
  const lines = [
    `${counted(requests, 'request')} over ${durationText(result.seconds)}; ` +
      `something is different for ${changed}`,
    ...notes(result),
  ];
  for (const kind of CHANGE_KINDS) {
    const ofKind = changes.filter((change) => change.kind === kind);
    if (ofKind.length === 0) continue;
    const sum = ofKind.reduce((total, change) => total + change.requests, 0);
    lines.push(
      '',
      `${TITLES[kind]}: ${sum}`,
      ...ofKind.slice(0, SHOWN_OF_KIND).flatMap(changeLines),
    );
    const left = ofKind.length - SHOWN_OF_KIND;
    if (left > 0) lines.push(`${pad('')}  and ${left} more kinds: see --json`);
  }
  if (unlisted > 0) {
    lines.push('', `too many kinds of difference to list: ${counted(unlisted, 'request')}`);
  }
  lines.push('', 'under the new configuration:');
  for (const [outcome, count] of Object.entries(result.outcomes)) {
    lines.push(`${pad(count)}  ${OUTCOMES[outcome] ?? outcome}`);
  }
  if (otherLines + unreadableLines > 0) {
    lines.push('', `${otherLines} lines are no access records, ${unreadableLines} cannot be read`);
  }
  if (unreadableLines > 0) lines.push(`  the first of them: ${visible(result.firstUnreadable)}`);
  return `${lines.join('\n')}\n`;
}

const OUTCOMES: Readonly<Record<string, string>> = {
  forwarded: 'sent to an upstream',
  answered: 'answered by the gateway',
  unknown: 'not decided: the log does not say who calls',
};

function notes({ withoutHost, requests }: ReplayResult): string[] {
  if (withoutHost === 0 || requests === 0) return [];
  return [
    `${withoutHost} have no host in the log and were taken to be for the one of --host; ` +
      '`accessLog.headers: [host]` records it',
  ];
}

function changeLines({ requests, before, after, consumers, example }: Change): string[] {
  const callers = consumers
    .filter(([name]) => name !== '')
    .map(([name, count]) => `${visible(name)} ${count}`);
  return [
    `${pad(requests)}  ${before} → ${after}`,
    ...(callers.length === 0 ? [] : [`${pad('')}  callers: ${callers.join(', ')}`]),
    `${pad('')}  the first: ${visible(example)}`,
  ];
}

function pad(value: number | string): string {
  return String(value).padStart(NUMBER_WIDTH);
}

function durationText(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 6) / 10} h`;
}

/** A terminal obeys control characters. */
function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (char) => {
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
