import type { HttpResponse } from 'uWebSockets.js';
import { describe, expect, it } from 'vitest';
import type { LaneDispatcher } from '../../../src/acceptor/lane-dispatcher.js';
import { UwsExchange } from '../../../src/acceptor/uws-exchange.js';
import { PROBLEMS, type ProblemKind } from '../../../src/base/problems.js';
import { WINDOW_BYTES } from '../../../src/channel/lane.js';
import { PROTOCOL_HTTP_1_1 } from '../../../src/channel/records/request-head.js';

const PLAIN = { protocol: PROTOCOL_HTTP_1_1, listener: 0 } as const;

const BYTES_MIN = 720;

function anUpload(bodyBytes = 1_000_000) {
  const answers: ProblemKind[] = [];
  const dispatcher = { sendBody: () => {}, sendEnd: () => {}, finish: () => {} };
  const res = { pause: () => {}, resume: () => {} } as unknown as HttpResponse;
  const exchange = new UwsExchange(
    {
      dispatcher: dispatcher as unknown as LaneDispatcher,
      bodyBytesMax: 1 << 30,
      isDraining: false,
      isClosed: false,
      replyLocally: (replied, kind) => {
        replied.reply.isOver = true;
        answers.push(kind);
      },
    },
    res,
    {
      method: 'POST',
      target: '/',
      peer: '',
      receivedMs: 0,
      bodyBytes,
      mustClose: false,
      text: 'POST\n/\n\nhttp',
    },
  );
  exchange.index = 0;
  const send = (bytes: number, isLast = false): void =>
    exchange.onData(new ArrayBuffer(bytes), isLast, 0);
  /** So many looks, with so many bytes before each. */
  const looks = (count: number, bytes: number): void => {
    for (let look = 0; look < count; look++) {
      if (bytes > 0) send(bytes);
      exchange.checkUpload(BYTES_MIN);
    }
  };
  return { exchange, answers, send, looks };
}

describe('an upload', () => {
  it('that brings too little at ten looks in a row is refused, not at nine', () => {
    const { answers, looks } = anUpload();
    looks(9, BYTES_MIN - 1);
    expect(answers).toEqual([]);
    looks(1, 0);
    expect(answers).toEqual([PROBLEMS.requestTimeout]);
    looks(20, 0);
    expect(answers).toHaveLength(1);
  });

  it('that is just fast enough, or catches up now and then, goes on', () => {
    const { answers, looks } = anUpload();
    looks(50, BYTES_MIN);
    for (let round = 0; round < 5; round++) {
      looks(9, 0);
      looks(1, BYTES_MIN);
    }
    expect(answers).toEqual([]);
  });

  it('that the gateway itself holds back is not the fault of its client', () => {
    const { answers, send, looks } = anUpload();
    send(WINDOW_BYTES + 1);
    looks(50, 0);
    expect(answers).toEqual([]);
  });

  it('that is complete may wait for its reply', () => {
    const { answers, send, looks } = anUpload(10);
    send(10, true);
    looks(50, 0);
    expect(answers).toEqual([]);
  });
});

describe('a request whose worker died', () => {
  it('is given for a second run once, if that is safe', () => {
    const { exchange } = anUpload(0);
    expect(exchange.takeRerun()).toBeNull();
    const get = new UwsExchange(
      {} as ConstructorParameters<typeof UwsExchange>[0],
      {} as HttpResponse,
      {
        method: 'GET',
        target: '/',
        peer: '',
        receivedMs: 5,
        bodyBytes: 0,
        mustClose: false,
        text: 'GET\n/\n\nhttp',
      },
    );
    expect(get.takeRerun()).toEqual({
      ...PLAIN,
      receivedMs: 5,
      bodyBytes: 0,
      text: 'GET\n/\n\nhttp',
    });
    expect(get.takeRerun()).toBeNull();
  });
});
