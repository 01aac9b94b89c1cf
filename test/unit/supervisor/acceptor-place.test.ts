/** Where acceptors run, and how many there may be. */
import { describe, expect, it } from 'vitest';
import { checkAcceptors, mayRunInThreads } from '../../../src/supervisor/acceptor-place.js';
import { compileConfig } from '../../support/compile-config.js';
import { aConfig } from '../../support/configs.js';

const listenersOf = (listen: object) =>
  compileConfig(aConfig(['http://127.0.0.1:1'], { top: { listen } }) as never).listeners;
const asWritten = ({ engine }: { readonly engine: string }): 'wire' | 'uws' =>
  engine === 'wire' ? 'wire' : 'uws';

describe('threads of their own', () => {
  it('are for acceptors whose listeners all have the engine wire', () => {
    const wire = { engine: 'wire', port: 1 };
    expect(mayRunInThreads(listenersOf(wire), asWritten)).toBe(true);
    const mixed = [
      { ...wire, name: 'one' },
      { engine: 'uws', port: 2, name: 'two' },
    ];
    expect(mayRunInThreads(listenersOf(mixed), asWritten)).toBe(false);
  });
});

describe('several acceptors', () => {
  const two = { acceptors: 2, workers: 2 };
  it('are allowed in threads', () => {
    expect(() => checkAcceptors(two, true)).not.toThrow();
  });

  it('are refused on the main thread, and without a worker for each', () => {
    expect(() => checkAcceptors(two, false)).toThrow('"engine": "wire" only');
    expect(() => checkAcceptors({ acceptors: 3, workers: 1 }, true)).toThrow(
      'acceptors: 3 takes as many workers, and there would be 1 worker on this machine',
    );
  });

  it('are no question where there is one', () => {
    expect(() => checkAcceptors({ acceptors: 1, workers: 1 }, false)).not.toThrow();
  });
});
