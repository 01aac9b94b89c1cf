/**
 * Fields of a reply outside of its head: what the filters of its route let through of them.
 *
 * Thread: worker. A field that a filter takes out of heads, or changes there, must not reach the
 * client by another way. What filters add belongs to the head alone.
 */
import { entriesOf, type FieldBlock } from '../../base/field-block.js';
import { ReplyHead } from '../../filters/reply-head.js';
import type { Exchange } from '../exchange/exchange.js';

/** Throws what a filter throws. */
export function fieldsLetThrough(
  exchange: Exchange,
  status: number,
  fields: FieldBlock,
): FieldBlock {
  const steps = exchange.route?.filters.replySteps ?? [];
  if (steps.length === 0) return fields;
  const names = new Set<string>();
  for (const [name] of entriesOf(fields)) names.add(name.toLowerCase());
  const head = new ReplyHead(status, fields, false);
  for (const step of steps) step(head, exchange);
  head.removeWhere((name) => !names.has(name));
  return head.toBlock();
}
