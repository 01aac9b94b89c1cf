/**
 * The call of a health check of gRPC: Check of grpc.health.v1.Health.
 *
 *     request   field 1: the name of the service         reply   field 1: 1 is SERVING
 *
 * Thread: supervisor (on the main thread). Both messages are a field long: no library reads them.
 */
import { firstValueOf } from '../base/field-block.js';
import { frameMessage } from '../wire/grpc/message-scanner.js';
import type { Http2Ask, Http2ProbeReply } from './http2-probe.js';

const SERVICE_TAG = 0x0a;
const STATUS_TAG = 0x08;
const SERVING = 1;
const PREFIX_BYTES = 5;
/** The length of the name is one byte: see `service` of the schema. */
const SERVICE_BYTES_MAX = 127;

/** The call about a service; '': about the server as a whole. */
export function healthCall(
  service: string,
  {
    authority,
    scheme,
    userAgent,
  }: Record<'authority' | 'userAgent', string> & {
    readonly scheme: 'http' | 'https';
  },
): Http2Ask {
  const name = Buffer.from(service, 'latin1').subarray(0, SERVICE_BYTES_MAX);
  const head = service === '' ? [] : [SERVICE_TAG, name.length];
  const path = '/grpc.health.v1.Health/Check';
  return {
    start: { method: 'POST', scheme, authority, path, protocol: '' },
    fields: ['user-agent', userAgent, 'content-type', 'application/grpc', 'te', 'trailers'],
    body: frameMessage(Buffer.concat([Buffer.from(head), name])),
    isWhole: true,
  };
}

/** Whether the target serves. */
export function isServing({ status, fields, body, trailers }: Http2ProbeReply): boolean {
  const code = firstValueOf(trailers, 'grpc-status') || firstValueOf(fields, 'grpc-status');
  if (status !== 200 || code !== '0' || body.length < PREFIX_BYTES) return false;
  const message = body.subarray(PREFIX_BYTES, PREFIX_BYTES + body.readUInt32BE(1));
  return body.readUInt8(0) === 0 && message[0] === STATUS_TAG && message[1] === SERVING;
}
