/**
 * The field that says what the cache did for a request.
 *
 * Thread: any (pure). RFC 9211.
 */
import { type FieldBlock, field } from '../../base/field-block.js';

/** Why the origin was asked (RFC 9211 section 2.2). */
export type ForwardReason = 'bypass' | 'method' | 'uri-miss' | 'vary-miss' | 'stale' | 'request';

const NAME = 'sluice';

/**
 * `leftS`: seconds of freshness; negative where it is stale. A reply that goes out while it is
 * validated is a hit as well: `hit` and `fwd` exclude each other (section 2.2), so that `detail`
 * says it.
 */
export function hitStatus(
  leftS: number,
  said: { readonly isCollapsed?: boolean; readonly isRevalidating?: boolean } = {},
): FieldBlock {
  const collapsed = said.isCollapsed === true ? '; collapsed' : '';
  const detail = said.isRevalidating === true ? '; detail=revalidating' : '';
  return field('cache-status', `${NAME}; hit; ttl=${leftS}${collapsed}${detail}`);
}

/** Nothing stored answers, and the client has forbidden to ask the origin. */
export const NOT_CACHED_STATUS = field('cache-status', `${NAME}; detail=only-if-cached`);

/** The origin was asked and gave this status. */
export function forwardStatus(
  reason: ForwardReason,
  said: { readonly status?: number; readonly isStored?: boolean; readonly isCollapsed?: boolean },
): FieldBlock {
  const status = said.status === undefined ? '' : `; fwd-status=${said.status}`;
  const stored = said.isStored === true ? '; stored' : '';
  const collapsed = said.isCollapsed === true ? '; collapsed' : '';
  return field('cache-status', `${NAME}; fwd=${reason}${status}${stored}${collapsed}`);
}
