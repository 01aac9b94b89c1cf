/**
 * Requests of gRPC-Web in base64 as targets of gRPC read them.
 *
 * Thread: worker. Browsers send one message a request: it is collected, and decoded as a whole.
 */
import { PROBLEMS } from '../../base/problems.js';
import { DIALECT_WEB_TEXT, grpcDialectOf } from '../../wire/grpc/content-type.js';
import { MessageScanner } from '../../wire/grpc/message-scanner.js';
import { decodeWebText } from '../../wire/grpc/web-codec.js';
import type { RequestBodySteps, RequestView } from '../filter.js';
import { refusal } from '../local-reply.js';
import type { CompiledGrpc } from './options.js';

const NOT_BASE64 = refusal(
  PROBLEMS.validationFailed,
  'The body of a grpc-web-text request must be base64 in groups of four characters.',
);
const TOO_LARGE = refusal(
  PROBLEMS.grpcMessageTooLarge,
  'A message of the call is longer than grpc.maxRequestMessageBytes.',
);

export function webTextSteps({ webBytesMax, ...bounds }: CompiledGrpc): RequestBodySteps {
  return {
    maxBytes: webBytesMax,
    limits: null,
    isNeeded: isText,
    step: (body, request) => {
      if (!isText(request)) return null;
      const bytes = decodeWebText(body.bytes());
      if (bytes === null) return NOT_BASE64;
      if (!new MessageScanner().scan(bytes, bounds.maxRequestMessageBytes)) return TOO_LARGE;
      body.replaceBy(bytes);
      return null;
    },
  };
}

function isText({ fields }: RequestView): boolean {
  return grpcDialectOf(fields.value('content-type')) === DIALECT_WEB_TEXT;
}
