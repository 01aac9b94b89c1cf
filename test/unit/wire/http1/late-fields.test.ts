import { expect, it } from 'vitest';
import { withLateFields } from '../../../../src/wire/http1/late-fields.js';

const TEXT = 'GET\n/a\n192.0.2.1\nhttp';
const added = (rest: string, text = TEXT): string =>
  withLateFields(text, Buffer.from(rest, 'latin1')).slice(text.length);

it.each([
  [
    'aaa\r\nHost: a.test\r\nOrigin: https://b.test\r\n\r\n',
    '\nhost\na.test\norigin\nhttps://b.test',
  ],
  ['aaa\r\nORIGIN:https://b.test  \r\nX-Other: 1\r\n\r\n', '\norigin\nhttps://b.test'],
  ['aaa\r\nOrigin: a\r\nOrigin: b\r\n\r\n', '\norigin\na'],
  // The line that was cut, and the one that may go on.
  ['Origin: a\r\n\r\n', ''],
  ['aaa\r\nOrigin: https://b.te', ''],
  ['aaa\r\nOrigin: https://b.test\r\nCook', '\norigin\nhttps://b.test'],
  // What belongs to the next request, or to a body.
  ['aaa\r\n\r\nOrigin: a\r\n\r\n', ''],
  ['aaa\r\nOrigin: a\nX: b\r\n\r\n', ''],
  ['aaa\r\nOrigin: \u00ff\r\n\r\n', ''],
  ['aaa\r\n: b\r\nno colon\r\n\r\n', ''],
  ['', ''],
])('behind %j: %j', (rest, expected) => {
  expect(added(rest)).toBe(expected);
});

it('takes nothing that the head has said already', () => {
  const text = `${TEXT}\norigin\nhttps://first.test`;
  expect(added('a\r\nOrigin: b\r\nHost: c\r\n\r\n', text)).toBe('\nhost\nc');
});
