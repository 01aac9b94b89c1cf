/**
 * Replies without a message: all that a client of gRPC gets of a refusal.
 *
 * Thread: any (pure). The status of HTTP is 200, and the reply ends with its head, in which stand
 * the fields that would else be trailers.
 */
import {
  type FieldBlock,
  field,
  firstValueOf,
  joinFields,
  NO_FIELDS,
  withoutFields,
} from '../../base/field-block.js';
import { grpcStatusOfRefusal } from '../../base/grpc-status.js';
import { encodeGrpcMessage } from './grpc-message.js';

/** The status of HTTP that every reply of gRPC has. */
export const GRPC_HTTP_STATUS = 200;

/** What describes a body that is not there, or tells a client of HTTP when to come again. */
const OF_BODY: ReadonlySet<string> = new Set(['content-type', 'content-length', 'retry-after']);

/** grpc-status and grpc-message. */
export function grpcStatusFields(status: number, message: string): FieldBlock {
  const code = field('grpc-status', String(status));
  return message === ''
    ? code
    : joinFields(code, field('grpc-message', encodeGrpcMessage(message)));
}

/** Content-Type of the reply to a request of this type. */
export function grpcTypeField(contentType: string): FieldBlock {
  return field('content-type', contentType);
}

/** What a refusal is made of, as a client of HTTP would get it. */
export interface HttpRefusal {
  readonly status: number;
  readonly fields: FieldBlock;
  readonly message: string;
}

/**
 * The fields of a refusal. `contentType`: that of the request, which the reply has as well. A wait
 * in Retry-After is told in the field that clients of gRPC know (proposal A6).
 */
export function trailersOnlyFields(contentType: string, refusal: HttpRefusal): FieldBlock {
  const { status, fields, message } = refusal;
  const seconds = firstValueOf(fields, 'retry-after');
  const own = joinFields(
    grpcTypeField(contentType),
    grpcStatusFields(grpcStatusOfRefusal(status), message),
  );
  const others = withoutFields(fields, OF_BODY);
  const pushback = /^\d{1,6}$/.test(seconds)
    ? field('grpc-retry-pushback-ms', String(Number(seconds) * 1000))
    : NO_FIELDS;
  return joinFields(joinFields(own, pushback), others);
}
