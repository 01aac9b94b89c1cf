/**
 * How the gateway names itself in replies of targets (RFC 9110 section 7.6.3).
 *
 * Thread: worker.
 */
import { type FieldBlock, field } from '../../base/field-block.js';
import { GATEWAY_PSEUDONYM } from '../../base/problem-reply.js';

const OF_HTTP_1 = field('via', `1.1 ${GATEWAY_PSEUDONYM}`);
const OF_HTTP_2 = field('via', `2 ${GATEWAY_PSEUDONYM}`);

/** By the protocol in which the target has answered. */
export function viaOf(isHttp2: boolean): FieldBlock {
  return isHttp2 ? OF_HTTP_2 : OF_HTTP_1;
}
