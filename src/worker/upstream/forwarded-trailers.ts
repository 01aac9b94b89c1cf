/**
 * The trailers of a request that its target gets.
 *
 * Thread: worker. Some targets take trailers for fields of the head. So nothing goes on in them
 * that would not go on from a client in the head: who calls, where the request came from, and what
 * the route takes out or sets itself. Fields of framing, routing and credentials are no trailers to
 * begin with (wire/http1/trailer-line.ts).
 */
import { entriesOf, type FieldBlock, NO_FIELDS, withoutFields } from '../../base/field-block.js';
import type { Exchange } from '../exchange/exchange.js';
import { isSpecialField } from '../exchange/request-fields.js';

export function trailersForTarget({ route }: Exchange, trailers: FieldBlock): FieldBlock {
  const dropped = new Set<string>();
  for (const [name] of entriesOf(trailers)) {
    const lowerName = name.toLowerCase();
    const isTaken = route === null || route.droppedFields.has(lowerName);
    if (isTaken || isSpecialField(lowerName)) dropped.add(lowerName);
  }
  if (dropped.size === 0) return trailers;
  const left = withoutFields(trailers, dropped);
  return left === '' ? NO_FIELDS : left;
}
