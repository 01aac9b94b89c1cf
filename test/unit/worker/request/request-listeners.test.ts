import { describe, expect, it } from 'vitest';
import { RequestFields } from '../../../../src/worker/exchange/request-fields.js';
import { RequestListeners } from '../../../../src/worker/request/request-listeners.js';
import { aListener } from '../../../support/listener-settings.js';

const listeners = new RequestListeners({
  listeners: [
    aListener('outside', 80, { index: 3 }),
    aListener('behind', 81, { index: 0, trustedProxies: ['10.0.0.0/8'] }),
  ],
  trustedProxies: ['172.16.0.0/12'],
  clientAddressField: '',
});

const FIELDS = new RequestFields(['GET', '/', '', 'http', 'x-forwarded-for', '192.0.2.1']);

describe('the listener of a request', () => {
  it.each([
    [3, 'outside', '10.0.0.1', '10.0.0.1'],
    [0, 'behind', '10.0.0.1', '192.0.2.1'],
    [0, 'behind', '172.16.0.1', '172.16.0.1'],
    // Gone since: what holds for the whole gateway.
    [1, '', '172.16.0.1', '192.0.2.1'],
    [200, '', '10.0.0.1', '10.0.0.1'],
  ])('%i has its own name and proxies: %s, %s', (row, name, peer, client) => {
    const listener = listeners.at(row);
    expect(listener.name).toBe(name);
    expect(listener.proxies.clientAddress(peer, FIELDS)).toBe(client);
  });
});
