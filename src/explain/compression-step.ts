/**
 * What a route would compress of its replies to a request, in words.
 *
 * Thread: any (pure). The reply itself is not known: what depends on it is said as a condition.
 */
import { negotiate } from '../filters/compression/accept-encoding.js';
import type { CompressionPlan } from '../filters/filter.js';
import type { Exchange } from '../worker/exchange/exchange.js';
import type { StepFound } from './findings.js';

export function compressionStep(plan: CompressionPlan, { fields }: Exchange): StepFound {
  const values = fields.values('accept-encoding');
  const { coding, takesIdentity } = negotiate(values, plan.codings);
  return { step: 'compression', detail: textOf(plan, values, coding, takesIdentity), reply: null };
}

function textOf(
  { codings, minBytes, types }: CompressionPlan,
  values: readonly string[],
  coding: string | null,
  takesIdentity: boolean,
): string {
  if (values.length === 0) return 'none: the request has no Accept-Encoding';
  if (coding === null) {
    return `none: Accept-Encoding prefers no coding of the route (${codings.join(', ')})`;
  }
  const length = takesIdentity ? `from ${minBytes} bytes on` : 'of any length';
  return (
    `${coding} for replies ${length} whose type is one of ${types.join(', ')}, unless they have ` +
    'Content-Encoding or no-transform, or are a part (206)'
  );
}
