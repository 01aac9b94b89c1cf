/**
 * Refuses requests whose head says already that they are too large for their route.
 *
 * Thread: worker.
 */
import { FIELD_LINE_BYTES, REQUEST_LINE_BYTES } from '../../base/head-size.js';
import { PROBLEMS } from '../../base/problems.js';
import type { FilterSteps, RequestStep } from '../filter.js';
import { refusal } from '../local-reply.js';
import type { CompiledGuards } from './options.js';
import { bodyTooLarge } from './upload-rule.js';

export function guardsSteps(options: CompiledGuards): FilterSteps<'enter' | 'upload'> {
  return { enter: guardStep(options), upload: options };
}

function guardStep({ headerBytes, headerCount, bodyBytes }: CompiledGuards): RequestStep {
  const headTooLarge = refusal(
    PROBLEMS.headTooLarge,
    `This route takes heads of up to ${headerBytes} bytes and ${headerCount} fields.`,
  );
  const tooLarge = bodyTooLarge(bodyBytes);
  return (request) => {
    const fields = request.fields.all();
    let bytes = request.method.length + request.path.length + request.query.length;
    bytes += REQUEST_LINE_BYTES + (fields.length / 2) * FIELD_LINE_BYTES;
    for (const text of fields) bytes += text.length;
    if (bytes > headerBytes || fields.length / 2 > headerCount) return headTooLarge;
    return request.bodyBytes > bodyBytes ? tooLarge : null;
  };
}
