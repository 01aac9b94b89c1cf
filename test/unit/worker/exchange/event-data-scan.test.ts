import { describe, expect, it } from 'vitest';
import { NO_NUMBER } from '../../../../src/base/json-number-scan.js';
import { EventDataScan } from '../../../../src/worker/exchange/event-data-scan.js';

function find(text: string, pieceBytes: number): number {
  const scan = new EventDataScan(['usage', 'total']);
  const bytes = Buffer.from(text);
  for (let from = 0; from < bytes.length; from += pieceBytes) {
    scan.push(bytes, from, Math.min(bytes.length, from + pieceBytes));
  }
  return scan.value;
}

describe('the last event that tells a number', () => {
  it.each([
    ['data: {"usage":{"total":5}}\n\ndata: [DONE]\n\n', 5],
    [
      'data: {"usage":{"total":5}}\r\n\r\ndata: {"usage":{"total":9}}\r\n\r\ndata: [DONE]\r\n\r\n',
      9,
    ],
    ['data: {"usage":{"total":5}}\r\rdata: {"usage":null}\r\r', 5],
    ['event: x\nid: 1\ndata:{"usage":\ndata:{"total":6}}\n\n', 6],
    [': {"usage":{"total":5}}\n\n', NO_NUMBER],
    ['event: {"usage":{"total":5}}\n\n', NO_NUMBER],
    ['database: {"usage":{"total":5}}\n\n', NO_NUMBER],
    ['dat: {"usage":{"total":5}}\ndata\ndata:\n\n', NO_NUMBER],
    ['data: }]}{"usage"\n\ndata: {"usage":{"total":4}}\n\n', 4],
    ['data: {"usage":{"to\n\ndata: tal":5}}\n\n', NO_NUMBER],
    ['data: {"usage":{"total":4}}', 4],
  ])('%j', (text, expected) => {
    for (const bytes of [text.length, 1, 2, 7]) expect(find(text, bytes)).toBe(expected);
  });
});
