/**
 * Checks what a schema cannot say of logs and traces.
 *
 * Thread: any (pure). A part of check-meaning.ts; skips what the shape check has reported.
 */

import { pointerOf } from '../../base/json-pointer.js';
import type { Findings, SoundPart } from '../../schema/finding.js';
import type { GatewayConfig } from '../gateway-config.js';

export function checkObservability(
  { logging = {}, tracing = {} }: SoundPart<GatewayConfig>,
  findings: Findings,
): void {
  const { accessLog } = logging;
  const statuses = typeof accessLog === 'object' ? (accessLog.status ?? []) : [];
  for (const [index, text] of statuses.entries()) {
    if (text === undefined) continue;
    const [first = 0, last = first] = String(text).split('-').map(Number);
    if (first <= last) continue;
    const pointer = pointerOf('logging', 'accessLog', 'status', index);
    findings.addValue(pointer, 'the range ends before it begins');
  }
  if (tracing.endpoint === undefined || isUsableUrl(tracing.endpoint)) return;
  const at = pointerOf('tracing', 'endpoint');
  findings.addValue(at, 'must be a URL with a host, without user name, password and fragment');
}

function isUsableUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { hostname, username, password, hash } = new URL(text);
  return hostname !== '' && username === '' && password === '' && hash === '';
}
