import { describe, expect, it } from 'vitest';
import { inheritedFd } from '../../../../src/acceptor/net/inherited-socket.js';

const env = { LISTEN_PID: '7', LISTEN_FDS: '3', LISTEN_FDNAMES: 'web:admin:web' };

describe('a socket of systemd', () => {
  it('is found by its name', () => {
    expect(inheritedFd('admin', env, 7)).toBe(4);
    expect(inheritedFd('web', { ...env, LISTEN_FDS: '2' }, 7)).toBe(3);
  });

  it.each([
    ['of another process', 'admin', env, 8, 'no sockets were handed'],
    ['without any', 'admin', {}, 7, 'no sockets were handed'],
    ['with a count that is none', 'admin', { ...env, LISTEN_FDS: 'x' }, 7, 'no sockets'],
    ['of another name', 'other', env, 7, 'there are web, admin, web'],
    ['of two with one name', 'web', env, 7, 'more than one'],
    ['behind the count', 'web', { ...env, LISTEN_FDS: '0' }, 7, 'no sockets'],
  ])('is not taken: %s', (_what, name, given, pid, words) => {
    expect(() => inheritedFd(name, given, pid)).toThrow(words);
  });
});
