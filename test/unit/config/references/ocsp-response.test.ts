import { describe, expect, it } from 'vitest';
import { stapleProblem } from '../../../../src/config/references/ocsp-response.js';

/** A response with a status and, where it is 0, bytes that nobody looks into. */
const response = (status: number, ...rest: number[]) =>
  Buffer.from([0x30, 3 + rest.length, 0x0a, 1, status, ...rest]);
const ANSWER = [0xa0, 2, 0x30, 0];

describe('an OCSP response in a file', () => {
  it('is one in DER with an answer', () => {
    expect(stapleProblem(response(0, ...ANSWER))).toBeUndefined();
  });

  it.each([
    ['nothing', Buffer.alloc(0), /is no OCSP response/],
    ['a text', Buffer.from('garbage'), /is no OCSP response/],
    ['PEM', Buffer.from('-----BEGIN OCSP RESPONSE-----\n'), /it is PEM/],
    ['half of one', response(0, ...ANSWER).subarray(0, 6), /is no OCSP response/],
    ['one and more', Buffer.concat([response(0, ...ANSWER), Buffer.from([5, 0])]), /is no OCSP/],
    ['no answer', response(0), /is no OCSP response/],
    ['a responder that refuses', response(6), /its responder says 6/],
    ['another structure', Buffer.from([0x30, 2, 5, 0]), /is no OCSP response/],
  ])('is not %s', (_, bytes, problem) => {
    expect(stapleProblem(bytes)).toMatch(problem);
  });
});
