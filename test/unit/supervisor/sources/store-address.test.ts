import { describe, expect, it } from 'vitest';
import { parseStoreAddress } from '../../../../src/supervisor/sources/store-address.js';

describe('the address of a store', () => {
  it('has hosts, a prefix, and a name without secrets', () => {
    const address = parseStoreAddress('etcd://me:p%40ss@a,b:1,[::1]:2/x/y/?tls=true', {});
    expect(address).toEqual({
      provider: 'etcd',
      name: 'etcd://a,b:1,[::1]:2/x/y?tls=true',
      hosts: [
        { host: 'a', port: 2379 },
        { host: 'b', port: 1 },
        { host: '::1', port: 2 },
      ],
      prefix: 'x/y',
      tls: {},
      ...{ username: 'me', password: 'p@ss', token: 'p@ss' },
    });
  });

  it('takes secrets from the environment first', () => {
    const env = {
      GATEWAY_CONFIG_FROM_USERNAME: 'u',
      GATEWAY_CONFIG_FROM_PASSWORD: 'p',
      GATEWAY_CONFIG_FROM_TOKEN: 't',
    };
    const { username, password, token, tls } = parseStoreAddress('consul://:x@a/p', env);
    expect([username, password, token, tls]).toEqual(['u', 'p', 't', null]);
  });

  it.each([
    ['redis://a/b', 'etcd://HOST:PORT/PREFIX'],
    ['etcd://a', 'etcd://HOST:PORT/PREFIX'],
    ['etcd://a/', 'the prefix'],
    ['etcd://a/x/../y', 'the prefix'],
    ['etcd://a/x y', 'the prefix'],
    ['etcd://a:0/x', '"a:0" is no host'],
    ['etcd://a:70000/x', '"a:70000" is no host'],
    ['etcd://a,,b/x', '"" is no host'],
    ['etcd://a/x?tls=yes', 'tls is "true"'],
    ['etcd://a/x?cert=y', 'belong together'],
    ['etcd://a/x?token=secret', 'unknown parameter "token"'],
    ['etcd://a/x?ca=/does/not/exist', '/does/not/exist, cannot be read: ENOENT'],
    ['etcd://%zz:hidden@a/x', 'percent-encoded'],
  ])('%s is refused', (text, reason) => {
    expect(() => parseStoreAddress(text, {})).toThrow(reason);
    expect(() => parseStoreAddress(text, {})).not.toThrow(/hidden|secret\b/);
  });
});
