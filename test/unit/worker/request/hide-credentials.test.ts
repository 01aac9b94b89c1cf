import { describe, expect, it } from 'vitest';
import { hideCredentials } from '../../../../src/worker/request/hide-credentials.js';
import { hiddenCredentials } from '../../../../src/worker/route/hidden-credentials.js';
import { makeExchange } from '../../../support/make-exchange.js';

const HIDDEN = hiddenCredentials([
  { kind: 'cookie', name: 'session' },
  { kind: 'query', name: 'token' },
]);

function rest(target: string, ...cookies: string[]) {
  const exchange = makeExchange({
    target,
    fields: ['accept', '*/*', ...cookies.flatMap((cookie) => ['cookie', cookie])],
  });
  if (HIDDEN !== null) hideCredentials(exchange, HIDDEN);
  const { plain } = exchange.fields;
  return [exchange.path + exchange.query, ...plain.slice(2).filter((_, at) => at % 2 === 1)];
}

describe('credentials that targets do not get', () => {
  it.each([
    ['/a?token=x', '/a'],
    ['/a?token=x&b=1', '/a?b=1'],
    ['/a?b=%2f&token=x&&c', '/a?b=%2f&c'],
    ['/a?%74oken=x&tokens=1', '/a?tokens=1'],
    ['/a?token=x&token=y', '/a'],
    ['/a?Token=x', '/a?Token=x'],
    ['/a?b=1&&c', '/a?b=1&&c'],
    ['/a?', '/a?'],
    ['/a', '/a'],
  ])('are taken out of the query %s', (target, left) => {
    expect(rest(target)).toEqual([left]);
  });

  it.each([
    ['https://a.test/b?token=x&c=1', 'https://a.test/b?c=1'],
    ['https://a.test/b?%74oken=x', 'https://a.test/b'],
    ['https://a.test/b?c=%2f&&d', 'https://a.test/b?c=%2f&&d'],
    ['https://a.test/token=x', 'https://a.test/token=x'],
  ])('are taken out of the page that %s is', (referer, left) => {
    const exchange = makeExchange({ target: '/', fields: ['accept', '*/*', 'referer', referer] });
    if (HIDDEN !== null) hideCredentials(exchange, HIDDEN);
    expect(exchange.fields.plain).toEqual(['accept', '*/*', 'referer', left]);
  });

  it.each([
    [['session=x'], []],
    [['a=1; session=x; b=2'], ['a=1; b=2']],
    [['session=x; a=1'], ['a=1']],
    [['a=1;session=x'], ['a=1']],
    [['a=1', 'session=x'], ['a=1']],
    [['a=1', 'b=2; session=x'], ['a=1; b=2']],
    [['SESSION=x; sessions=1;  a=1'], ['SESSION=x; sessions=1;  a=1']],
    [['session'], []],
    [
      ['a=1', 'b=2'],
      ['a=1', 'b=2'],
    ],
  ])('are taken out of cookies: %o', (cookies, left) => {
    expect(rest('/', ...cookies)).toEqual(['/', ...left]);
  });

  it('are none where none is configured', () => {
    expect(hiddenCredentials([])).toBeNull();
  });
});
