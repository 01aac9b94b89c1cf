import { describe, expect, it } from 'vitest';
import { checkConfig } from '../../../../src/config/check/check-config.js';
import { compileListeners } from '../../../../src/config/compile/compile-listeners.js';

type Top = Readonly<Record<string, unknown>>;

function problems(top: Top): string[] {
  const result = checkConfig({
    upstreams: { api: { targets: [{ url: 'http://127.0.0.1:1' }] } },
    routes: [{ name: 'all', match: { path: '/*' }, upstream: 'api' }],
    ...top,
  });
  return result.isValid ? [] : result.findings.map(({ message }) => message);
}

describe('what requests may be at a listener', () => {
  it('is safe without a word', () => {
    const [listener] = compileListeners({ listen: {} });
    expect(listener).toMatchObject({ underscores: 'drop', rawCharacters: 'encode', wireOnly: [] });
  });

  it('is what it says', () => {
    const listen = { underscores: 'refuse', rawCharacters: 'refuse' } as const;
    expect(problems({ listen })).toEqual([]);
    const [listener] = compileListeners({ listen });
    expect(listener).toMatchObject({ ...listen, wireOnly: ['rawCharacters'] });
  });

  it('cannot be chosen on uws where that has no choice', () => {
    expect(problems({ listen: { engine: 'uws', underscores: 'forward' } })).toEqual([]);
    expect(problems({ listen: { engine: 'uws', rawCharacters: 'encode' } })).toEqual([
      expect.stringMatching(/engine "uws" has no "rawCharacters"/),
    ]);
  });
});

describe('more fields than uws can read', () => {
  const limits = { headerFields: 91 };

  it('are refused there, and need the engine wire', () => {
    expect(problems({ listen: { engine: 'uws' }, limits })).toEqual([
      expect.stringMatching(/engine "uws" cannot do what "limits.headerFields" says/),
    ]);
    expect(problems({ listen: { engine: 'uws' }, limits: { headerFields: 90 } })).toEqual([]);
    expect(problems({ limits })).toEqual([]);
    const [listener] = compileListeners({ listen: {}, limits });
    expect(listener?.wireOnly).toEqual(['limits.headerFields']);
  });
});

describe('what one connection of HTTP/2 may do', () => {
  const protocols = ['http1', 'h2c'] as const;

  it('has bounds of its own', () => {
    const listen = { protocols, http2: { maxStreams: 10, unsentBytes: '1MiB' } } as const;
    expect(problems({ listen })).toEqual([]);
    const [listener] = compileListeners({ listen: { ...listen, protocols: [...protocols] } });
    expect(listener?.http2).toEqual({ streamsMax: 10, unsentMax: 1024 * 1024 });
    expect(compileListeners({ listen: {} })[0]?.http2).toEqual({
      streamsMax: 128,
      unsentMax: 4 * 1024 * 1024,
    });
  });

  it('says nothing where HTTP/2 is not spoken, and is no affair of uws', () => {
    expect(problems({ listen: { http2: {} } })).toEqual([
      expect.stringMatching(/"http2" says nothing here: HTTP\/2 is not among the "protocols"/),
    ]);
    expect(problems({ listen: { engine: 'uws', protocols, http2: {} } })).toContainEqual(
      expect.stringMatching(/the engine "uws" has no "http2"/),
    );
  });

  it.each([{ maxStreams: 0 }, { maxStreams: 1001 }, { unsentBytes: '1KiB' }, { streams: 1 }])(
    'cannot be %j',
    (http2) => {
      expect(problems({ listen: { protocols, http2 } })).toHaveLength(1);
    },
  );
});
