/**
 * Targets from a document over HTTP: JSON as Prometheus' `http_sd_configs` have it, or a list.
 *
 * Thread: supervisor (on the main thread).
 */
import type { CompiledSource } from '../../config/compiled-discovery.js';
import type { Answer } from './asked-source.js';
import { getText } from './http-get.js';
import { readTargetList } from './read-target-list.js';

const TIMEOUT_MS = 5_000;

export async function askHttp(
  { url, intervalMs, token }: Extract<CompiledSource, { kind: 'http' }>,
  signal: AbortSignal,
): Promise<Answer> {
  const headers = token === '' ? {} : { authorization: `Bearer ${token}` };
  const { status, body } = await getText({ url, headers, timeoutMs: TIMEOUT_MS, signal });
  if (status !== 200) throw new Error(`status ${status} instead of 200`);
  return { found: readTargetList(parseJson(body)), nextMs: intervalMs };
}

/** Throws an Error that does not quote the text. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('the answer is not JSON');
  }
}
