import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SessionTable } from '../../../src/supervisor/token-service/session-table.js';

const OPTIONS = { capacity: 100, accessTokenSeconds: 300, sessionSeconds: 3600, skewSeconds: 60 };

function open(table: SessionTable, consumer = 'ada', now = 0) {
  const opened = table.open({ consumer, scope: 'read', claims: {} }, now);
  if (opened === null) throw new Error('full');
  return opened.session;
}

describe('a session', () => {
  it('gives a new refresh token for each one that is used, and takes none twice', () => {
    const table = new SessionTable(OPTIONS);
    const session = open(table);
    const first = table.refreshToken(session);
    expect(table.refresh(first, 1).kind).toBe('session');
    const second = table.refreshToken(session);
    expect(second).not.toBe(first);
    expect(table.refresh(second, 2).kind).toBe('session');
    // The first again: whoever has it is not the one who has the third.
    const third = table.refreshToken(session);
    expect(table.refresh(first, 10)).toEqual({
      kind: 'reused',
      revocation: { sessionId: session.id, until: 370 },
    });
    expect(table.refresh(third, 11).kind).toBe('unknown');
    expect(table.revocations(11)).toEqual([{ sessionId: session.id, until: 370 }]);
    expect(table.revocations(369.9)).toHaveLength(1);
    expect(table.revocations(370)).toEqual([]);
    expect(table.size).toBe(0);
  });

  it('ends at its time, however often it was refreshed', () => {
    const table = new SessionTable(OPTIONS);
    const session = open(table);
    expect(table.refresh(table.refreshToken(session), 3599.9).kind).toBe('session');
    expect(table.refresh(table.refreshToken(session), 3600).kind).toBe('unknown');
    expect(table.size).toBe(0);
  });

  it('cannot be ended by a refresh token that somebody made up', () => {
    const table = new SessionTable(OPTIONS);
    const session = open(table);
    const good = table.refreshToken(session);
    const [id, number, mac = ''] = good.split('.');
    const other = new SessionTable(OPTIONS);
    const madeUp = [
      '',
      id ?? '',
      `${id}.${number}`,
      `${id}.${number}.`,
      `${id}.1.${mac}`,
      `${id}.00.${mac}`,
      `${id}.-1.${mac}`,
      `${id}.${number}.${mac}x`,
      `${id}.${number}.${mac}.x`,
      `${id}.${number}.${mac.slice(1)}A`,
      other.refreshToken(session),
    ];
    for (const token of madeUp)
      expect([token, table.refresh(token, 1).kind]).toEqual([token, 'unknown']);
    fc.assert(fc.property(fc.string(), (token) => table.refresh(token, 1).kind === 'unknown'));
    expect(table.refresh(good, 1).kind).toBe('session');
  });
});

describe('a table of sessions', () => {
  it('never holds more than it may, ended ones included', () => {
    const table = new SessionTable(OPTIONS);
    for (let at = 0; at < 60; at += 1) open(table, `user-${at}`, at);
    for (let at = 0; at < 40; at += 1) table.end(open(table, `other-${at}`, 60).id, 60);
    expect(table.size).toBe(100);
    const wish = { consumer: 'late', scope: '', claims: {} };
    expect(table.open(wish, 61)).toBeNull();
    // The ended ones are forgotten once their tokens have expired.
    expect(table.open(wish, 419.9)).toBeNull();
    expect(table.open(wish, 420)).not.toBeNull();
    expect(table.size).toBe(61);
  });

  it('makes room out of sessions that are over', () => {
    const table = new SessionTable(OPTIONS);
    for (let at = 0; at < 100; at += 1) open(table, `user-${at}`, at);
    const wish = { consumer: 'late', scope: '', claims: {} };
    expect(table.open(wish, 3599)).toBeNull();
    expect(table.open(wish, 3650)).not.toBeNull();
    expect(table.size).toBe(50);
  });

  it('ends the oldest session of a caller who has many', () => {
    const table = new SessionTable(OPTIONS);
    const sessions = Array.from({ length: 32 }, (_, at) => open(table, 'ada', at));
    const bystander = open(table, 'bob', 40);
    const opened = table.open({ consumer: 'ada', scope: '', claims: {} }, 50);
    expect(opened?.ended[0]?.sessionId).toBe(sessions[0]?.id);
    expect(table.refresh(table.refreshToken(bystander), 51).kind).toBe('session');
    expect(table.end(sessions[0]?.id ?? '', 51)).toBeNull();
    expect(table.end(sessions[1]?.id ?? '', 51)).not.toBeNull();
  });

  it('ends none of a caller who has many where there is no room for another one', () => {
    const table = new SessionTable({ ...OPTIONS, capacity: 32 });
    const [oldest] = Array.from({ length: 32 }, (_, at) => open(table, 'ada', at));
    expect(table.open({ consumer: 'ada', scope: '', claims: {} }, 50)).toBeNull();
    expect(table.revocations(50)).toEqual([]);
    expect(oldest && table.refresh(table.refreshToken(oldest), 51).kind).toBe('session');
  });
});
