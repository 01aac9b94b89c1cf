import { expect, it } from 'vitest';
import { isIdempotentMethod } from '../../../src/base/http-method.js';

it('knows which methods are idempotent', () => {
  const methods = ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'POST', 'PATCH', 'CONNECT', 'get'];
  expect(methods.filter(isIdempotentMethod)).toEqual(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS']);
});
