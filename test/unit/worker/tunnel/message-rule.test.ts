import { describe, expect, it } from 'vitest';
import { FrameScanner } from '../../../../src/wire/websocket/frame-scanner.js';
import { MessageRule } from '../../../../src/worker/tunnel/message-rule.js';
import type { FrameWish } from '../../../support/websocket-frames.js';
import { CLOSE, CONTINUATION, frameOf, PING } from '../../../support/websocket-frames.js';

/** The code with which a frame is refused; 0: it may go on. */
function judged(rule: MessageRule, wish: FrameWish, nowMs = 1): number {
  const scanner = new FrameScanner();
  scanner.begin(frameOf(wish));
  scanner.next();
  return rule.take(scanner, nowMs)?.code ?? 0;
}

describe('a rule for messages', () => {
  it('counts the bytes of a message over its frames', () => {
    const rule = new MessageRule({ messageBytes: 10, messages: null });
    const six = { payload: 'abcdef' };
    expect(judged(rule, { ...six, isFinal: false })).toBe(0);
    expect(judged(rule, { opcode: PING, payload: 'a ping between' })).toBe(0);
    expect(judged(rule, { ...six, opcode: CONTINUATION })).toBe(1009);
    expect(judged(rule, six)).toBe(0);
    expect(judged(rule, { payload: 'abcdefghijk' })).toBe(1009);
  });

  it('lets a number come at once, and as many again in each window', () => {
    const rule = new MessageRule({ messageBytes: 0, messages: { limit: 2, windowMs: 1000 } });
    expect([0, 1, 2].map(() => judged(rule, {}, 5))).toEqual([0, 0, 1008]);
    expect(judged(rule, {}, 504)).toBe(1008);
    expect(judged(rule, {}, 505)).toBe(0);
    expect(judged(rule, {}, 9000)).toBe(0);
    expect(judged(rule, {}, 9000)).toBe(0);
    expect(judged(rule, {}, 9000)).toBe(1008);
  });

  it('counts pings, not the further frames of a message, and lets a Close pass', () => {
    const rule = new MessageRule({ messageBytes: 0, messages: { limit: 2, windowMs: 1000 } });
    expect(judged(rule, { isFinal: false })).toBe(0);
    expect(judged(rule, { opcode: CONTINUATION })).toBe(0);
    expect(judged(rule, { opcode: PING })).toBe(0);
    expect(judged(rule, { opcode: CLOSE })).toBe(0);
    expect(judged(rule, { opcode: PING })).toBe(1008);
  });

  it.each([
    { messageBytes: 1024, messages: null },
    { messageBytes: 0, messages: { limit: 9, windowMs: 1000 } },
  ])('lets no frame pass behind which nothing could be judged: %o', (rules) => {
    const codeOf = (first: number, ...length: number[]): number => {
      const scanner = new FrameScanner();
      scanner.begin(Buffer.from([first, 0xff, ...length, 1, 2, 3, 4]));
      scanner.next();
      return new MessageRule(rules).take(scanner, 1)?.code ?? 0;
    };
    expect(codeOf(0x82, 0, 0x20, 0, 0, 0, 0, 0, 1)).toBe(1009);
    expect(codeOf(0x80, 0, 0x20, 0, 0, 0, 0, 0, 1)).toBe(1009);
    for (const control of [0x88, 0x89])
      expect(codeOf(control, 0, 0, 0, 0, 0, 0, 0, 126)).toBe(1002);
  });

  it('is needed only where there is one', () => {
    expect(new MessageRule({ messageBytes: 0, messages: null }).isNeeded).toBe(false);
    expect(new MessageRule({ messageBytes: 1, messages: null }).isNeeded).toBe(true);
  });
});
