/**
 * What the text of a request's head says, for requests that never reach a worker.
 *
 * Thread: acceptor. Read for refusals only. The text of a request that the guard refused may hold
 * any character.
 */
import { HEAD_FIELDS } from '../channel/records/request-head.js';

/** Fields by which a refusal is made readable for a page: all that is kept of a long head. */
const KEPT_FIELDS: ReadonlySet<string> = new Set(['accept', 'host', 'origin']);

/** All values of a field. `name`: in lower case; `text`: as records/request-head.ts has it. */
export function valuesIn(text: string, name: string): string[] {
  const parts = text.split('\n');
  const values: string[] = [];
  for (let at = HEAD_FIELDS; at + 1 < parts.length; at += 2) {
    if (parts[at] === name) values.push(parts[at + 1] ?? '');
  }
  return values;
}

/** The head without most of its fields. */
export function briefHead(text: string): string {
  const parts = text.split('\n');
  const kept = parts.slice(0, HEAD_FIELDS);
  for (let at = HEAD_FIELDS; at + 1 < parts.length; at += 2) {
    const name = parts[at] ?? '';
    if (KEPT_FIELDS.has(name)) kept.push(name, parts[at + 1] ?? '');
  }
  return kept.join('\n');
}
