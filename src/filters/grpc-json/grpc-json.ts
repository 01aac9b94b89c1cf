/**
 * Requests with JSON as calls of gRPC.
 *
 * Thread: worker.
 */
import type { FileRegistry, JsonValue } from '@bufbuild/protobuf';
import { PROBLEMS } from '../../base/problems.js';
import { frameMessage } from '../../wire/grpc/message-scanner.js';
import { type CollectedBody, isJsonType, parseContentType } from '../collected-body.js';
import type { FilterSteps, RequestView, StepResult } from '../filter.js';
import { refusal } from '../local-reply.js';
import { JsonReplies } from './json-replies.js';
import type { CompiledGrpcJson } from './options.js';
import { registryOf, Transcoder, TranscodingError } from './transcoder.js';

const NOT_JSON = refusal(PROBLEMS.unsupportedMediaType, 'This route takes application/json only.');

/** One registry for all routes with the same descriptors, as long as one of them is there. */
const registries = new Map<string, WeakRef<FileRegistry>>();

export function grpcJsonSteps(
  options: CompiledGrpcJson,
  _unixMs: () => number,
  _judges: unknown,
  textAt: (place: number) => string,
): FilterSteps<'requestBody' | 'replyStage'> {
  const { descriptors } = options;
  const base64 = typeof descriptors === 'number' ? textAt(descriptors) : descriptors;
  const transcoder = new Transcoder(options.rule, knownRegistry(base64));
  return {
    requestBody: {
      maxBytes: options.bodyBytesMax,
      limits: null,
      takesEmpty: true,
      isNeeded: () => true,
      step: (body, request) => encode(transcoder, body, request),
    },
    replyStage: new JsonReplies(options, transcoder),
  };
}

function knownRegistry(base64: string): FileRegistry {
  const known = registries.get(base64)?.deref();
  if (known !== undefined) return known;
  const made = registryOf(base64);
  registries.clear();
  registries.set(base64, new WeakRef(made));
  return made;
}

function encode(transcoder: Transcoder, body: CollectedBody, request: RequestView): StepResult {
  const { fields, params, query } = request;
  if (!body.isEmpty && !isJsonType(parseContentType(fields.value('content-type')).mediaType)) {
    return NOT_JSON;
  }
  const parsed = body.isEmpty ? null : body.json();
  if (parsed?.isValid === false) {
    return refusal(PROBLEMS.validationFailed, `The body cannot be read: ${parsed.problem.detail}.`);
  }
  try {
    const value = parsed === null ? undefined : (parsed.value as JsonValue);
    const parameters = new URLSearchParams(query.slice(1));
    body.replaceBy(frameMessage(transcoder.encode({ body: value, params, query: parameters })));
    return null;
  } catch (error) {
    if (!(error instanceof TranscodingError)) throw error;
    return refusal(PROBLEMS.validationFailed, `The request is no such message: ${error.message}.`);
  }
}
