/** What an acceptor has counted, over the threads that it has had. */
import { expect, it } from 'vitest';
import type { AcceptorReading } from '../../../src/acceptor/acceptor-task.js';
import { AcceptorTally } from '../../../src/supervisor/acceptor-tally.js';

const OWN = { osThreadId: 7, deaths: 1, lostConnections: 0, isResting: false };
const LOADS = { open: 0, inFlight: 0 };

type Handshakes = AcceptorReading['listeners'][number]['handshakes'];

function reading(handshakes: Handshakes, name = 'public'): AcceptorReading {
  const acceptor = new AcceptorTally(0).figures(OWN, LOADS);
  const listener = {
    ...({ name, host: '::', engine: 'wire', port: 443 } as const),
    ...{ openConnections: 2, http2Connections: 1, http2Streams: 3, refusedConnections: 4 },
    turnedAway: [['a wrong PROXY header', 1]] as const,
    mistakes: [['a flood of pings', 2]] as const,
    handshakes,
  };
  return { acceptor, lanes: [], listeners: [listener] };
}

it('what listeners have counted goes on with the next thread, and what is open does not', () => {
  const tally = new AcceptorTally(0);
  tally.reading = reading([['done', 5]]);
  tally.onEnded(OWN, LOADS);
  tally.reading = reading([
    ['done', 1],
    ['no certificate', 1],
  ]);
  const after = tally.listenerFigures;
  tally.onEnded(OWN, LOADS);
  tally.reading = reading([['done', 1]]);
  expect(after).toEqual([
    {
      ...({ name: 'public', host: '::', engine: 'wire', port: 443 } as const),
      ...{ openConnections: 2, http2Connections: 1, http2Streams: 3, refusedConnections: 8 },
      turnedAway: [['a wrong PROXY header', 2]],
      mistakes: [['a flood of pings', 4]],
      handshakes: [
        ['done', 6],
        ['no certificate', 1],
      ],
    },
  ]);
  expect(tally.listenerFigures[0]?.handshakes).toContainEqual(['done', 7]);
});

it('a thread that listens at nothing yet loses no figures, and closed listeners go', () => {
  const tally = new AcceptorTally(0);
  tally.reading = reading([['done', 5]]);
  tally.onEnded(OWN, LOADS);
  tally.reading = { ...reading([]), listeners: [] };
  expect(tally.listenerFigures).toMatchObject([{ openConnections: 0, handshakes: [['done', 5]] }]);
  tally.onEnded(OWN, LOADS);
  tally.reading = reading([['done', 1]]);
  expect(tally.listenerFigures).toMatchObject([{ openConnections: 2, handshakes: [['done', 6]] }]);
  tally.reading = reading([['done', 2]], 'another');
  expect(tally.listenerFigures).toMatchObject([{ name: 'another', handshakes: [['done', 2]] }]);
});
