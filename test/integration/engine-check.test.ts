/** The check of the native parser at the start, against real libraries. */
import { describe, expect, it } from 'vitest';
import { loadNativeBinary } from '../../src/acceptor/uws/native-binary.js';
import { checkParser } from '../../src/acceptor/uws/parser-check.js';
import { type Clock, systemClock } from '../../src/base/clock.js';
import { chooseEngines } from '../../src/supervisor/engine-choice.js';
import { aListener } from '../support/listener-settings.js';
import { machineOf } from '../support/machine.js';
import { type Flaws, patientClock, soundUws } from '../support/sound-uws.js';

/** On which no wait ever ends but those between two pieces of a request. */
function stoppedClock(): Clock {
  const never = { cancel: () => {} };
  return {
    ...systemClock,
    after: (ms, step) => (ms < 100 ? systemClock.after(ms, step) : never),
  };
}

const check = (flaws: Flaws, clock = patientClock) => checkParser(soundUws(flaws), clock, true);

describe('the check of a parser', () => {
  it('finds the flaws of the library that comes with the gateway', async () => {
    const flaws = await checkParser(loadNativeBinary(), systemClock, true);
    expect(flaws).toEqual(expect.arrayContaining([expect.stringContaining('HTTP/1.0')]));
    expect(flaws.length).toBe(new Set(flaws).size);
  });

  it('finds nothing where there is nothing', async () => {
    expect(await check({})).toEqual([]);
  });

  it('finds uploads that are read on while they are paused', async () => {
    // On a busy machine little would come within a pause of a millisecond.
    const after: Clock['after'] = (ms, step) => patientClock.after(ms === 1 ? 200 : ms, step);
    const flaws = await check({ ignoresPause: true }, { ...patientClock, after });
    expect(flaws).toEqual([expect.stringContaining('paused')]);
  });

  it('does not wait for the silent once somebody has had a wrong answer', async () => {
    const flaws = await checkParser(soundUws({ refusesOldVersions: true }), stoppedClock(), false);
    expect(flaws).toEqual(['HTTP/1.0 is refused']);
  });

  it('takes silence for a flaw', async () => {
    const flaws = await check({ isSilent: true }, systemClock);
    expect(flaws.length).toBe(4);
  });
});

it('a listener that leaves the choice gets wire where the library is not sound', async () => {
  const parts = { clock: systemClock, load: loadNativeBinary };
  const one = { acceptors: 1, machine: machineOf(2) };
  const open = aListener('open', 80);
  const choice = await chooseEngines({ ...one, listeners: [open] }, parts);
  expect(choice.engineOf(open)).toBe('wire');
  expect(choice.reason).toContain('not sound');
  const asked = await chooseEngines({ ...one, listeners: [{ ...open, engine: 'uws' }] }, parts);
  expect(asked.engineOf({ ...open, engine: 'uws' })).toBe('uws');
  expect((await asked.flaws(systemClock)).length).toBeGreaterThan(0);
});
