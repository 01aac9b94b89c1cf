import { expect, it } from 'vitest';
import { StrangerNotes } from '../../../src/acceptor/stranger-notes.js';
import { COUNTERS } from '../../../src/observability/counters.js';

function rig() {
  const told: unknown[] = [];
  const time = { ms: 5 };
  const counted = new Map<number, number>();
  const notes = new StrangerNotes(
    { nowMs: () => time.ms },
    { add: (figure, count = 1) => void counted.set(figure, (counted.get(figure) ?? 0) + count) },
    {
      logger: {
        info: (facts: object, message: string) => told.push({ ...facts, message }),
      } as never,
    },
  );
  return { notes, told, time, counted };
}

it('counts all dropped fields, and tells of them once a minute for each listener', () => {
  const { notes, told, time, counted } = rig();
  const drop = (listener: string, droppedName: string) =>
    notes.onDroppedFields(listener, { droppedFields: 2, droppedName });
  drop('a', 'x_one');
  time.ms += 59_999;
  drop('a', 'x_two');
  drop('b', 'x_three');
  time.ms += 1;
  drop('a', 'x_four');
  expect(counted.get(COUNTERS.droppedFields)).toBe(8);
  expect(told).toMatchObject([
    { listener: 'a', field: 'x_one' },
    { listener: 'b', field: 'x_three' },
    { listener: 'a', field: 'x_four' },
  ]);
});

it('tells what OpenSSL says of a handshake, and whose it was, each code once', () => {
  const { notes, told } = rig();
  const facts = { clientIp: '192.0.2.1', cause: 'CERT_HAS_EXPIRED' };
  notes.onHandshakeFailed('a', 'client certificate', facts);
  notes.onHandshakeFailed('a', 'client certificate', { ...facts, clientIp: '192.0.2.2' });
  notes.onHandshakeFailed('a', 'client certificate', { ...facts, cause: 'CERT_REVOKED' });
  // Texts may be anything: they are one kind.
  notes.onHandshakeFailed('a', 'protocol', { ...facts, cause: 'some text' });
  notes.onHandshakeFailed('a', 'protocol', { ...facts, cause: 'another text' });
  const a = { listener: 'a' };
  expect(told).toMatchObject([
    { ...a, reason: 'client certificate', cause: 'CERT_HAS_EXPIRED', clientIp: '192.0.2.1' },
    { ...a, reason: 'client certificate', cause: 'CERT_REVOKED', clientIp: '192.0.2.1' },
    { ...a, reason: 'protocol', cause: 'some text', clientIp: '192.0.2.1' },
  ]);
});

it('tells of connections and handshakes by reason', () => {
  const { notes, told } = rig();
  for (let at = 0; at < 3; at++) {
    notes.onTurnedAway('a', 'a wrong PROXY header');
    notes.onTurnedAway('a', 'no PROXY header in time');
    notes.onHandshakeFailed('a', 'timeout');
  }
  expect(told.map((line) => (line as { reason: string }).reason)).toEqual([
    'a wrong PROXY header',
    'no PROXY header in time',
    'timeout',
  ]);
});
