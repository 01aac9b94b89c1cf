/** What stands in grpc-status-details-bin: google.rpc.Status, written by hand. */
import { Metadata } from '@grpc/grpc-js';

export interface Detail {
  /** Full name of its message. */
  readonly type: string;
  readonly value: Buffer;
}

/** The metadata of a status with this code (1 to 16) and these details. */
export function statusDetails(code: number, message: string, details: readonly Detail[]): Metadata {
  const anys = details.map(({ type, value }) =>
    bytesField(
      3,
      Buffer.concat([bytesField(1, Buffer.from(`type.example/${type}`)), bytesField(2, value)]),
    ),
  );
  return detailsOf(
    Buffer.concat([Buffer.from([8, code]), bytesField(2, Buffer.from(message)), ...anys]),
  );
}

/** The same with any bytes. */
export function detailsOf(status: Buffer): Metadata {
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', status);
  return metadata;
}

/** A field of a message whose bytes are at most 127. */
export function bytesField(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
}
