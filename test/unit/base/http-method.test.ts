import { describe, expect, it } from 'vitest';
import {
  isIdempotentMethod,
  isRegisteredMethod,
  isSafeMethod,
  takesMethod,
} from '../../../src/base/http-method.js';

const METHODS = [
  ...['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY', 'TRACE', 'CONNECT'],
  ...['PROPFIND', 'REPORT', 'SEARCH', 'PROPPATCH', 'MKCOL', 'MOVE', 'LOCK', 'PURGE', 'get'],
];

it('knows which methods may run twice, and which change nothing', () => {
  const safe = ['GET', 'HEAD', 'OPTIONS', 'QUERY', 'TRACE', 'PROPFIND', 'REPORT', 'SEARCH'];
  const unsafe = ['PUT', 'DELETE', 'PROPPATCH', 'MKCOL', 'MOVE'];
  const among = (list: string[]) => METHODS.filter((method) => list.includes(method));
  expect(METHODS.filter(isSafeMethod)).toEqual(among(safe));
  expect(METHODS.filter(isIdempotentMethod)).toEqual(among([...safe, ...unsafe]));
  const unknown = ['CONNECT', 'PURGE', 'get'];
  expect(METHODS.filter((method) => !isRegisteredMethod(method))).toEqual(among(unknown));
});

describe('a list of methods', () => {
  it.each([
    [[], ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY']],
    [['GET'], ['GET', 'HEAD']],
    [
      ['HEAD', 'PROPFIND'],
      ['HEAD', 'PROPFIND'],
    ],
    [['*'], METHODS.filter((method) => !['TRACE', 'CONNECT', 'get'].includes(method))],
    [['*', 'TRACE'], METHODS.filter((method) => !['CONNECT', 'get'].includes(method))],
  ])('%j takes %j', (list, taken) => {
    expect(METHODS.filter((method) => takesMethod(list, method))).toEqual(taken);
  });
});
