import { describe, expect, it } from 'vitest';
import { NativeBinaryError } from '../../../src/acceptor/uws/native-binary.js';
import type { ListenerSettings } from '../../../src/config/listener-settings.js';
import { nodeSharesPorts } from '../../../src/config/machine-limits.js';
import { chooseEngines } from '../../../src/supervisor/engine-choice.js';
import { aListener } from '../../support/listener-settings.js';
import { machineOf } from '../../support/machine.js';
import { soundUws } from '../../support/sound-uws.js';

const OPEN = aListener('open', 80);
const WIRE = aListener('own', 81, { engine: 'wire' });
const UWS = aListener('native', 82, { engine: 'uws' });
const NEEDY = aListener('needy', 83, { wireOnly: ['unixSocket', 'proxyProtocol'] });

const SHARED = aListener('shared', 84, {
  address: { kind: 'tcp', host: '127.0.0.1', port: 84, reusePort: true },
});

/** With a library, or none, and how many times it was loaded. */
function choose(listeners: readonly ListenerSettings[], isThere = true, sharesPorts = true) {
  let loads = 0;
  const load = () => {
    loads += 1;
    if (!isThere) throw new NativeBinaryError('no binary for this machine');
    return soundUws();
  };
  const made = chooseEngines({ listeners, machine: { ...machineOf(2), sharesPorts } }, load);
  return { engines: listeners.map((one) => made.engineOf(one)), reason: made.reason, loads };
}

describe('the engine of a listener that leaves the choice', () => {
  it('is wire, and nothing native is loaded', () => {
    const reason = 'nothing needs another';
    expect(choose([OPEN])).toEqual({ engines: ['wire'], reason, loads: 0 });
  });

  it('is wire beside a listener that needs wire, and nothing native is loaded', () => {
    expect(choose([OPEN, NEEDY])).toEqual({
      engines: ['wire', 'wire'],
      reason: 'the listener needy needs it for unixSocket, proxyProtocol',
      loads: 0,
    });
    expect(choose([OPEN, WIRE])).toMatchObject({ engines: ['wire', 'wire'], loads: 0 });
  });

  it('is uws where the port is shared and Node cannot do that', () => {
    const made = choose([SHARED], true, false);
    expect(made).toMatchObject({ engines: ['uws'], loads: 1 });
    expect(made.reason).toContain('the listener shared shares its port');
    expect(choose([SHARED])).toMatchObject({ engines: ['wire'], loads: 0 });
    expect(['20.20.2', '22.11.9', '22.12.0', '23.0.0', '24.1.0'].map(nodeSharesPorts)).toEqual([
      false,
      false,
      true,
      true,
      true,
    ]);
  });

  it('is wire all the same where no binary loads, and the reason is that of the loader', () => {
    const made = choose([SHARED], false, false);
    expect(made).toMatchObject({ engines: ['wire'], reason: 'no binary for this machine' });
  });
});

describe('an engine that is asked for', () => {
  it('is taken, and nothing native is loaded for wire', () => {
    expect(choose([WIRE])).toMatchObject({ engines: ['wire'], loads: 0 });
    expect(choose([UWS])).toMatchObject({ engines: ['uws'], loads: 1 });
  });

  it('ends the start where it does not load', () => {
    expect(() => choose([UWS], false)).toThrow(NativeBinaryError);
  });

  it('decides for itself alone', () => {
    expect(choose([UWS, OPEN])).toMatchObject({ engines: ['uws', 'wire'] });
    expect(choose([UWS, OPEN, NEEDY])).toMatchObject({ engines: ['uws', 'wire', 'wire'] });
  });
});
