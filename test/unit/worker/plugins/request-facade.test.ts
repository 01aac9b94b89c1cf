/** What a plugin does to what it is given stays with its own request. */
import { expect, it } from 'vitest';
import { RequestFacade } from '../../../../src/worker/plugins/request-facade.js';
import { makeExchange } from '../../../support/make-exchange.js';

it('lets no plugin write to parameters, which later requests with the same head share', () => {
  const first = makeExchange({ target: '/orders/7' });
  first.head.onMatch({ id: '7' });
  const again = first.head.again('id-2');
  const { params } = new RequestFacade(first, 'any');
  expect(() => Object.assign(params, { id: '8' })).toThrow(TypeError);
  expect(again.params).toEqual({ id: '7' });
});
