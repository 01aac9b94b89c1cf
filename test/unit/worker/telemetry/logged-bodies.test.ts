import { describe, expect, it } from 'vitest';
import { keepRequestBody } from '../../../../src/worker/telemetry/logged-bodies.js';
import { SHOWN_BODY_BYTES_MAX } from '../../../../src/worker/telemetry/masked-body.js';
import { makeExchange } from '../../../support/make-exchange.js';

describe('the body of a request, for its access record', () => {
  it.each([
    [SHOWN_BODY_BYTES_MAX, true],
    [SHOWN_BODY_BYTES_MAX + 1, false],
  ])('of %d bytes stays here: %s', (length, isKept) => {
    const exchange = makeExchange({ method: 'POST' });
    exchange.upload.replace(Buffer.alloc(length));
    keepRequestBody(exchange);
    const copy = exchange.bodyCopies?.request;
    expect(copy?.length).toBe(length);
    expect(copy?.bytes?.length).toBe(isKept ? length : undefined);
  });
});
