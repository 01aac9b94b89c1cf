/** The check of the native parser, against real libraries. */
import { describe, expect, it } from 'vitest';
import { loadNativeBinary } from '../../src/acceptor/uws/native-binary.js';
import { checkParser } from '../../src/acceptor/uws/parser-check.js';
import { type Clock, systemClock } from '../../src/base/clock.js';
import { chooseEngines } from '../../src/supervisor/engine-choice.js';
import { aListener } from '../support/listener-settings.js';
import { machineOf } from '../support/machine.js';
import { type Flaws, patientClock, soundUws } from '../support/sound-uws.js';

const check = (flaws: Flaws, clock = patientClock) => checkParser(soundUws(flaws), clock);

describe('the check of a parser', () => {
  it('finds the flaws of the library that comes with the gateway', async () => {
    const flaws = await checkParser(loadNativeBinary(), systemClock);
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

  it('takes silence for a flaw', async () => {
    const flaws = await check({ isSilent: true }, systemClock);
    expect(flaws.length).toBe(4);
  });
});

it('a listener that asks for the library gets it, and its flaws are told', async () => {
  const asked = aListener('asked', 80, { engine: 'uws' });
  const choice = chooseEngines({ machine: machineOf(2), listeners: [asked] });
  expect(choice.engineOf(asked)).toBe('uws');
  expect((await choice.flaws(systemClock)).length).toBeGreaterThan(0);
});
