import { describe, expect, it } from 'vitest';
import { NativeBinaryError } from '../../../src/acceptor/uws/native-binary.js';
import type { ListenerSettings } from '../../../src/config/listener-settings.js';
import { nodeSharesPorts } from '../../../src/config/machine-limits.js';
import { chooseEngines } from '../../../src/supervisor/engine-choice.js';
import { aListener } from '../../support/listener-settings.js';
import { machineOf } from '../../support/machine.js';
import { type Flaws, patientClock, soundUws } from '../../support/sound-uws.js';

const OPEN = aListener('open', 80);
const WIRE = aListener('own', 81, { engine: 'wire' });
const UWS = aListener('native', 82, { engine: 'uws' });
const NEEDY = aListener('needy', 83, { wireOnly: ['unixSocket', 'proxyProtocol'] });

/** A library, or none, and how many times it was loaded. */
function choose(
  listeners: readonly ListenerSettings[],
  isThere = true,
  sharesPorts = true,
  flaws: Flaws = {},
  acceptors = 1,
) {
  let loads = 0;
  const load = () => {
    loads += 1;
    if (!isThere) throw new NativeBinaryError('no binary for this machine');
    return soundUws(flaws);
  };
  const config = { listeners, acceptors, machine: { ...machineOf(2), sharesPorts } };
  const choice = chooseEngines(config, { clock: patientClock, load });
  return choice.then((made) => ({
    engines: listeners.map((one) => made.engineOf(one)),
    reason: made.reason,
    loads,
  }));
}

describe('the engine of a listener that leaves the choice', () => {
  it('is uws where that loads and is sound', async () => {
    const made = await choose([OPEN]);
    expect(made).toMatchObject({ engines: ['uws'], loads: 1 });
    expect(made.reason).toContain('its parser is sound');
  });

  it('is wire where no binary loads, and the reason is that of the loader', async () => {
    const made = await choose([OPEN], false);
    expect(made).toMatchObject({ engines: ['wire'], reason: 'no binary for this machine' });
  });

  it('is wire beside a listener that needs wire, and nothing native is loaded', async () => {
    expect(await choose([OPEN, NEEDY])).toEqual({
      engines: ['wire', 'wire'],
      reason: 'the listener needy needs it for unixSocket, proxyProtocol',
      loads: 0,
    });
    expect(await choose([OPEN, WIRE])).toMatchObject({ engines: ['wire', 'wire'], loads: 0 });
  });

  it('is uws where the port is shared and Node cannot do that', async () => {
    const address = { kind: 'tcp', host: '127.0.0.1', port: 80, reusePort: true } as const;
    const shared = aListener('shared', 80, { address });
    const made = await choose([shared], true, false);
    expect(made.engines).toEqual(['uws']);
    expect(made.reason).toContain('the listener shared shares its port');
    expect(['20.20.2', '22.11.9', '22.12.0', '23.0.0', '24.1.0'].map(nodeSharesPorts)).toEqual([
      false,
      false,
      true,
      true,
      true,
    ]);
  });

  it('is wire where there are several acceptors, but not for a port that is shared', async () => {
    const made = await choose([OPEN], true, true, {}, 2);
    expect(made).toEqual({ engines: ['wire'], reason: '2 acceptors need it', loads: 0 });
    const address = { kind: 'tcp', host: '127.0.0.1', port: 80, reusePort: true } as const;
    const shared = aListener('shared', 80, { address });
    expect((await choose([shared], true, false, {}, 2)).engines).toEqual(['uws']);
  });

  it('is wire where the parser is not sound, and the reason is what it gets wrong', async () => {
    const made = await choose([OPEN], true, true, { refusesOldVersions: true });
    expect(made.engines).toEqual(['wire']);
    expect(made.reason).toContain('not sound: HTTP/1.0 is refused');
    const beside = await choose([UWS, OPEN], true, true, { refusesOldVersions: true });
    expect(beside.engines).toEqual(['uws', 'wire']);
  });
});

describe('an engine that is asked for', () => {
  it('is taken, and nothing native is loaded for wire', async () => {
    expect(await choose([WIRE])).toMatchObject({ engines: ['wire'], loads: 0 });
    expect(await choose([UWS])).toMatchObject({ engines: ['uws'], loads: 1 });
  });

  it('ends the start where it does not load', async () => {
    await expect(choose([UWS], false)).rejects.toThrow(NativeBinaryError);
  });

  it('decides for itself alone', async () => {
    expect(await choose([UWS, OPEN])).toMatchObject({ engines: ['uws', 'uws'] });
    expect(await choose([UWS, OPEN, NEEDY])).toMatchObject({ engines: ['uws', 'wire', 'wire'] });
  });
});
