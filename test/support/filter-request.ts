/** A request as filters see it: defaults, overridden by what the test is about. */
import type { EditableRequest } from '../../src/filters/filter.js';
import { RequestFields } from '../../src/worker/exchange/request-fields.js';

export interface RequestWish {
  readonly method?: string;
  readonly path?: string;
  readonly query?: string;
  readonly clientIp?: string;
  readonly consumer?: string;
  readonly claims?: Readonly<Record<string, unknown>> | null;
  readonly params?: Readonly<Record<string, string>>;
  /** Names in lower case. */
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: string;
}

export function aRequest(wish: RequestWish = {}): EditableRequest {
  const { headers = [], body = '' } = wish;
  const parts = [wish.method ?? 'GET', wish.path ?? '/', '127.0.0.1', 'http'];
  return {
    method: wish.method ?? 'GET',
    path: wish.path ?? '/',
    sentPath: wish.path ?? '/',
    query: wish.query ?? '',
    scheme: 'http',
    clientIp: wish.clientIp ?? '198.51.100.7',
    requestId: 'id-1',
    bodyBytes: Buffer.byteLength(body),
    consumer: wish.consumer ?? '',
    claims: wish.claims ?? null,
    params: wish.params ?? {},
    fields: new RequestFields([...parts, 'host', 'gateway.example', ...headers.flat()]),
    rewrittenTarget: '',
    addedFields: [],
  };
}
