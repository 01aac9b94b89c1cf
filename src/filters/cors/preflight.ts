/**
 * What a preflight asks about.
 *
 * Thread: worker. Apart from the filter, since a preflight goes to the route of the request that it
 * asks about before that route has a say.
 */
import type { FieldView } from '../filter.js';

/** The method of the request that a preflight asks about; '': the request is no preflight. */
export function requestedMethod(method: string, fields: FieldView): string {
  if (method !== 'OPTIONS' || fields.value('origin') === '') return '';
  return fields.value('access-control-request-method');
}
