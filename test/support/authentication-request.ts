/** A request as an authenticator sees it: the fields that the test is about. */

import type { AuthenticationRequest } from '../../src/filters/authentication/authenticator.js';
import { RequestFields } from '../../src/worker/exchange/request-fields.js';

export interface RequestWish {
  readonly authorization?: string;
  readonly fields?: readonly (readonly [name: string, value: string])[];
  readonly target?: string;
  readonly method?: string;
  readonly scheme?: string;
  readonly host?: string;
  readonly certificate?: string;
  readonly body?: string;
}

export function aRequest({
  authorization,
  fields = [],
  target = '/',
  method = 'GET',
  scheme = 'http',
  host = 'gateway.test',
  certificate = '',
  body = '',
}: RequestWish = {}) {
  const parts = [method, target, '127.0.0.1', scheme, 'host', host];
  if (authorization !== undefined) parts.push('authorization', authorization);
  for (const [name, value] of fields) parts.push(name, value);
  return {
    method,
    target,
    routedTarget: target,
    scheme,
    clientIp: '127.0.0.1',
    requestId: 'r1',
    certificate,
    fields: new RequestFields(parts),
    wholeBody: () => Buffer.from(body),
  } satisfies AuthenticationRequest;
}
