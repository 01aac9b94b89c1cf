import { describe, expect, it } from 'vitest';
import { formatDuration, parseDurationMs, parseSizeBytes } from '../../../src/base/quantities.js';

describe('durations', () => {
  it.each([
    ['0s', 0],
    ['250ms', 250],
    ['5s', 5000],
    ['1m', 60_000],
    ['1h', 3_600_000],
    ['400d', 34_560_000_000],
    ['999999999ms', 999_999_999],
  ])('reads %s', (text, durationMs) => {
    expect(parseDurationMs(text)).toBe(durationMs);
  });

  it.each([
    '',
    '5',
    's',
    '1.5s',
    '-1s',
    '+1s',
    '05s',
    ' 5s',
    '5 s',
    '5S',
    '1w',
    '1D',
    '5s\n',
    '1000000000ms',
    '٣s',
  ])('refuses %j', (text) => {
    expect(parseDurationMs(text)).toBeUndefined();
  });

  it.each([
    [0, '0s'],
    [1, '1ms'],
    [1500, '1500ms'],
    [5000, '5s'],
    [90_000, '90s'],
    [60_000, '1m'],
    [86_400_000, '24h'],
    [90_000_000, '25h'],
    [172_800_000, '2d'],
    [34_560_000_000, '400d'],
  ])('writes %d ms as %s, and reads it back', (durationMs, text) => {
    expect(formatDuration(durationMs)).toBe(text);
    expect(parseDurationMs(text)).toBe(durationMs);
  });
});

describe('sizes', () => {
  it.each<[string | number, number]>([
    ['0', 0],
    ['16KiB', 16_384],
    ['1MiB', 1_048_576],
    ['2GiB', 2_147_483_648],
    ['2048', 2048],
    [2048, 2048],
    [0, 0],
  ])('reads %s', (size, bytes) => {
    expect(parseSizeBytes(size)).toBe(bytes);
  });

  it.each<string | number>([
    '',
    '1KB',
    '1kib',
    '1.5MiB',
    '-1',
    '1 KiB',

    -1,
    1.5,
    Number.NaN,
    2 ** 53,
  ])('refuses %s', (size) => {
    expect(parseSizeBytes(size)).toBeUndefined();
  });
});
