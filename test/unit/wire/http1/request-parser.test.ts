import { describe, expect, it } from 'vitest';
import { PROBLEMS } from '../../../../src/base/problems.js';
import { readRequests } from '../../../support/request-outcome.js';

function read(text: string) {
  return readRequests([Buffer.from(text, 'latin1')]);
}

describe('a request', () => {
  it('has the text that a lane takes, in the form in which its target gets it', () => {
    const { requests } = read(
      'GET /a|b?c=d HTTP/1.1\r\nHost: a.example\r\nX-A:  b c \t\r\nX_b: c\r\n' +
        'Connection: keep-alive\r\n\r\n',
    );
    expect(requests).toMatchObject([
      {
        method: 'GET',
        target: '/a%7Cb?c=d',
        fields: ['host', 'a.example', 'x-a', 'b c'],
        protocol: 11,
        isPersistent: true,
        droppedFields: 1,
        isComplete: true,
      },
    ]);
  });

  it('ends where its framing says, and the next one begins there', () => {
    const { requests, isIdle } = read(
      'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n' +
        'X-T: 1\r\n\r\n\r\nPUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nde' +
        'GET / HTTP/1.0\r\n\r\n',
    );
    expect(requests).toMatchObject([
      { method: 'POST', body: 'abc', trailers: '\r\nX-T: 1', isComplete: true },
      { method: 'PUT', body: 'de', trailers: '', isComplete: true },
      { method: 'GET', protocol: 10, isPersistent: false, fields: ['host', '198.51.100.1:8080'] },
    ]);
    expect(isIdle).toBe(true);
  });

  it('says of a refusal what was read before the mistake', () => {
    const { problem, refusedText, refusedBodyBytes } = read(
      'GET /x HTTP/1.1\r\nOrigin: https://a.example\r\nHost : a\r\n\r\n',
    );
    expect(problem).toBe(PROBLEMS.badField);
    expect(refusedText).toBe('GET\n/x\n192.0.2.1\nhttp\norigin\nhttps://a.example');
    expect(refusedBodyBytes).toBe(-1);
  });
});
