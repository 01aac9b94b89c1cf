/** Listeners that send everybody to https; client and engine are played. */
import { describe, expect, it } from 'vitest';
import { AcceptorRig } from '../../support/acceptor-rig.js';
import type { RequestWish } from '../../support/fake-client.js';

function ask(wish: RequestWish, port = 443) {
  const rig = new AcceptorRig({ settings: { redirectToHttps: { port } } });
  const socket = rig.engine.request(wish);
  rig.turn();
  return { rig, socket, isTaken: rig.worker.read().length > 0 };
}

const host = (value: string) => [['host', value]] as const;

describe('a listener that redirects to https', () => {
  it.each([
    ['/', 'a.test', 443, 'https://a.test/'],
    ['/a%20b?c=d', 'a.test:8080', 443, 'https://a.test/a%20b?c=d'],
    ['/a', 'a.test', 8443, 'https://a.test:8443/a'],
    ['/a', '[2001:db8::1]:80', 443, 'https://[2001:db8::1]/a'],
    ['/a', '[2001:db8::1]', 443, 'https://[2001:db8::1]/a'],
    ['*', 'a.test', 443, 'https://a.test/'],
  ])('sends %s of %s at port %i on', (target, name, port, location) => {
    const { socket, isTaken } = ask({ target, fields: host(name) }, port);
    expect(socket.head).toMatchObject({ status: 308, fields: { location } });
    expect(isTaken).toBe(false);
  });

  it('keeps the connection, and counts what it answers', () => {
    const { rig, socket } = ask({ fields: host('a.test') });
    expect(socket.head?.closing).toBe('none');
    expect(rig.localReplies).toMatchObject([{ kind: { code: 'GW_HTTPS_REQUIRED' } }]);
  });

  it('lets an upload end before it closes', () => {
    const { socket } = ask({ method: 'POST', bodyBytes: 10, fields: host('a.test') });
    expect(socket.head).toMatchObject({ status: 308, closing: 'lingering' });
  });

  it('says what is missing where nobody knows the host', () => {
    expect(ask({}).socket.head?.status).toBe(400);
  });

  it('leaves challenges of ACME alone', () => {
    const target = '/.well-known/acme-challenge/abc';
    const { socket, isTaken } = ask({ target, fields: host('a.test') });
    expect([socket.head, isTaken]).toEqual([null, true]);
  });

  it.each(['../../admin', '%2e%2e/%2e%2e/admin', 'abc/../../../admin', 'a?b', 'a%2F..', ''])(
    'sends what only looks like a challenge to https as well: %s',
    (rest) => {
      const target = `/.well-known/acme-challenge/${rest}`;
      const { socket, isTaken } = ask({ target, fields: host('a.test') });
      expect([socket.head?.status, isTaken]).toEqual([308, false]);
    },
  );
});
